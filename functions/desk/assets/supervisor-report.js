// The numbers of a range of any length.

import { parameters, pieces } from "./supervisor-dates.js";

/** How many reports are asked for at the same time. */
const AT_ONCE = 3;

/** What was sent, by what became of it, added up. */
export class Tally {
  sent = 0;
  clicked = 0;
  #sums = new Map();

  /** The sum of the API's tallies. */
  static of(tallies) {
    const sum = new Tally();
    for (const tally of tallies) {
      sum.sent += tally.sent;
      sum.clicked += tally.clicked;
      for (const [status, { count, value }] of Object.entries(tally.statuses)) {
        const entry = sum.#sums.get(status) ?? { count: 0, value: new Map() };
        entry.count += count;
        for (const [currency, amount] of Object.entries(value)) {
          entry.value.set(currency, (entry.value.get(currency) ?? 0) + amount);
        }
        sum.#sums.set(status, entry);
      }
    }
    return sum;
  }

  /** How many are in one of these statuses. */
  count(...statuses) {
    return statuses.reduce((sum, status) => sum + (this.#sums.get(status)?.count ?? 0), 0);
  }

  /** How much those in a status are over: pairs of currency and minor units. Currencies are never added to each other. */
  value(status) {
    return [...(this.#sums.get(status)?.value ?? [])].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  /**
   * The expired ones, by whether the customer had clicked. The API counts clicks and statuses, and whoever clicked is
   * still to pay, has paid (in time or not), or has let the time run out.
   */
  get expired() {
    const clickedSince = this.clicked - this.count("clicked", "processing", "paid", "refund_due", "refunded");
    const notPaid = Math.min(Math.max(clickedSince, 0), this.count("expired"));
    return { notClicked: this.count("expired") - notPaid, notPaid };
  }
}

/** The report on a range, asked for in pieces where it is longer than the API answers at once. */
export class Report {
  #api;
  #pieces;
  #answers = [];

  constructor(api, range) {
    this.#api = api;
    this.#pieces = pieces(range);
  }

  /**
   * Asks for everything the first time, telling `progress(done, all)`, and later for the last piece alone: what was sent
   * three months ago has come to its end.
   */
  async look(signal, progress) {
    const missing = this.#pieces.keys().filter((index) => !this.#answers[index] || index === this.#pieces.length - 1);
    const take = async () => {
      // All of them take from one iterator, so each piece is asked for once.
      for (const index of missing) {
        this.#answers[index] = await this.#api.report({ ...parameters(this.#pieces[index]), include: "clicks,days" }, signal);
        progress(Object.keys(this.#answers).length, this.#pieces.length);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
    return this.#sum();
  }

  #sum() {
    const agents = new Map();
    for (const { agent, ...tally } of this.#answers.flatMap((answer) => answer.agents)) {
      const entry = agents.get(agent.id) ?? { tallies: [] };
      // The pieces are in order, so the name that stays is the latest.
      agents.set(agent.id, { id: agent.id, name: agent.name, tallies: [...entry.tallies, tally] });
    }
    return {
      total: Tally.of(this.#answers.map((answer) => answer.total)),
      days: new Map(this.#answers.flatMap((answer) => answer.days).map((day) => [day.date, day])),
      agents: [...agents.values()].map(({ id, name, tallies }) => ({ id, name, tally: Tally.of(tallies) })),
    };
  }
}
