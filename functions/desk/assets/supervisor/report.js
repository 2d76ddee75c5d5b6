// The report on a range of any length.

/** @import { Report as Answer, Totals as Part } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */
/** @import { Facts, Group } from "../shared/statuses.js" */
/** @import { Range } from "./dates.js" */

import { factsOf, STATUSES } from "../shared/statuses.js";
import { parameters, pieces } from "./dates.js";

/** How many reports are requested at the same time. */
const AT_ONCE = 3;

/** The sums of several of the API's tallies: counts and amounts, by status. */
export class Tally {
  sent = 0;
  clicked = 0;
  /** @type {Map<string, { count: number, value: Map<string, number> }>} */
  #sums = new Map();

  /**
   * Returns the sum of the API's tallies.
   * @param {Part[]} tallies
   */
  static of(tallies) {
    const sum = new Tally();
    for (const tally of tallies) {
      sum.sent += tally.sent;
      sum.clicked += tally.clicked ?? 0;
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

  /**
   * Returns the number of requests in a status.
   * @param {string} status
   */
  count(status) {
    return this.#sums.get(status)?.count ?? 0;
  }

  /**
   * Returns the number of requests in a group's statuses.
   * @param {Group} group
   */
  countOf(group) {
    return this.#countWhere((facts) => facts.group === group);
  }

  /** The number of paid requests. */
  get paid() {
    return this.countOf("received");
  }

  /** The number of refunds that are still due. */
  get stillDue() {
    return this.#countWhere((facts) => facts.group === "refund" && facts.awaits === "provider");
  }

  /** @param {(facts: Facts) => boolean} fits */
  #countWhere(fits) {
    let sum = 0;
    for (const [status, facts] of STATUSES) if (fits(facts)) sum += this.count(status);
    return sum;
  }

  /**
   * Returns the total amount of the requests in a status: pairs of currency and minor units. Currencies are never added
   * to each other.
   * @param {string} status
   */
  value(status) {
    return [...(this.#sums.get(status)?.value ?? [])].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  /** The total amount of the paid requests, in the same form. */
  get valuePaid() {
    const paid = [...STATUSES].filter(([, { group }]) => group === "received");
    return paid.flatMap(([status]) => this.value(status));
  }

  /**
   * Splits the requests in a status into those that ended before the click and those that ended after it. For most
   * statuses all are on one side. For a status on both sides, the clicked ones are the clicks that no other status
   * accounts for.
   * @param {string} status
   */
  split(status) {
    const { before, after } = factsOf(status).funnel;
    const count = this.count(status);
    if (!before) return { before: 0, after: count };
    if (!after) return { before: count, after: 0 };
    const left = this.clicked - this.#countWhere(({ funnel }) => !funnel.before);
    const clicked = Math.min(Math.max(left, 0), count);
    return { before: count - clicked, after: clicked };
  }
}

/** The report on a range. A range that is longer than one report of the API covers is read in pieces. */
export class Report {
  #api;
  #pieces;
  /** @type {Answer[]} */
  #answers = [];

  /**
   * @param {Api} api
   * @param {Range} range
   */
  constructor(api, range) {
    this.#api = api;
    this.#pieces = pieces(range);
  }

  /**
   * Reads all pieces the first time, and only the last piece later: requests sent three months ago are terminal.
   * @param {AbortSignal} signal
   * @param {(done: number, all: number) => void} progress
   */
  async read(signal, progress) {
    const missing = this.#pieces.keys().filter((index) => !this.#answers[index] || index === this.#pieces.length - 1);
    const readMissing = async () => {
      // All of these loops share one iterator, so each piece is read once.
      for (const index of missing) {
        const query = { ...parameters(this.#pieces[index]), include: "clicks,days" };
        this.#answers[index] = await this.#api.report(query, signal);
        progress(Object.keys(this.#answers).length, this.#pieces.length);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, readMissing));
    return this.#sum();
  }

  #sum() {
    /** @type {Map<string, { id: string, name: string, tallies: Part[] }>} */
    const agents = new Map();
    for (const { agent, ...tally } of this.#answers.flatMap((answer) => answer.agents)) {
      const entry = agents.get(agent.id) ?? { tallies: [] };
      // The pieces are in order of time, so the last name is the latest one.
      agents.set(agent.id, { id: agent.id, name: agent.name, tallies: [...entry.tallies, tally] });
    }
    return {
      total: Tally.of(this.#answers.map((answer) => answer.total)),
      days: new Map(this.#answers.flatMap((answer) => answer.days ?? []).map((day) => [day.date, day])),
      agents: [...agents.values()].map(({ id, name, tallies }) => ({ id, name, tally: Tally.of(tallies) })),
    };
  }
}

/** @typedef {Awaited<ReturnType<Report["read"]>>} Found */
/** @typedef {Found["agents"][number]} AgentTally */
