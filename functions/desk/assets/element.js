// The element that chat desks embed.
