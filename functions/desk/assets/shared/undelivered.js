// The texts about a link that did not reach its customer, for the agent's and the supervisor's page.

/** The only reason after which the link may still have arrived. */
const UNCONFIRMED = "delivery_unconfirmed";

const SENTENCES = new Map([
  ["invalid_recipient", "The phone number cannot receive messages."],
  ["recipient_opted_out", "The customer does not want messages from this sender."],
  ["not_on_channel", "The customer cannot be reached on this channel."],
  ["outside_conversation_window", "The customer has to write first: until then, WhatsApp does not deliver."],
  ["channel_refused", "The channel rejected the message."],
  ["channel_unavailable", "The channel does not answer."],
  [UNCONFIRMED, "The channel’s answer was lost."],
  ["undelivered", "The phone may be off, out of reach, or blocking messages."],
]);

/**
 * Returns true if it is certain that the link did not arrive.
 * @param {string | null} reason
 */
export function isCertain(reason) {
  return reason !== UNCONFIRMED;
}

/**
 * Returns the sentence for a reason from the history. A reason that is not in the table is returned as it is.
 * @param {string | null} reason
 */
export function undeliveredText(reason) {
  return SENTENCES.get(reason ?? "") ?? `${reason}.`;
}
