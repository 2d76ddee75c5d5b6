// What is known of a link that did not reach its customer, for everybody who looks after it.

/** The one reason with which the link may have arrived after all. */
const UNCONFIRMED = "delivery_unconfirmed";

const SENTENCES = new Map([
  ["invalid_recipient", "The phone number cannot receive messages."],
  ["recipient_opted_out", "The customer does not want messages from this sender."],
  ["not_on_channel", "The customer cannot be reached on this channel."],
  ["outside_conversation_window", "The customer has to write first, before WhatsApp delivers to them."],
  ["channel_refused", "The channel refused it."],
  ["channel_unavailable", "The channel does not answer."],
  [UNCONFIRMED, "The channel’s answer was lost."],
  ["undelivered", "The phone may be off, out of reach, or blocking messages."],
]);

/**
 * Returns whether it is certain that the link did not arrive.
 * @param {string | null} reason
 */
export function isCertain(reason) {
  return reason !== UNCONFIRMED;
}

/**
 * Returns the history's reason as a sentence; one that is not known here is shown as it is called.
 * @param {string | null} reason
 */
export function undeliveredText(reason) {
  return SENTENCES.get(reason ?? "") ?? `${reason}.`;
}
