// Why a message did not reach its customer, for everybody who looks after it.

const SENTENCES = new Map([
  ["invalid_recipient", "The phone number cannot receive messages."],
  ["recipient_opted_out", "The customer does not want messages from this sender."],
  ["not_on_channel", "The customer cannot be reached on this channel."],
  ["outside_conversation_window", "The customer has to write first, before WhatsApp delivers to them."],
  ["channel_refused", "The channel refused it."],
  ["channel_unavailable", "The channel does not answer."],
  ["delivery_unconfirmed", "The channel did not say whether it arrived."],
  ["undelivered", "The phone may be off, out of reach, or blocking messages."],
]);

/** The history's reason as a sentence; one that is not known here is shown as it is called. */
export function undeliveredText(reason) {
  return SENTENCES.get(reason) ?? `${reason}.`;
}
