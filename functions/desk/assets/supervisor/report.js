// The numbers of a range of any length.

/** @import { Report as Answer, Tally as Part } from "../../types/api.d.ts" */
/** @import { Api } from "../shared/api.js" */
/** @import { Facts, Group } from "../shared/statuses.js" */
/** @import { Range } from "./dates.js" */

import { factsOf, STATUSES } from "../shared/statuses.js";
import { parameters, pieces } from "./dates.js";

/** How many reports are asked for at the same time. */
const AT_ONCE = 3;

/** What was sent, by what became of it, added up. */
export class Tally {
  sent = 0;
  clicked = 0;
  /** @type {Map<string, { count: number, value: Map<string, number> }>} */
  #sums = new Map();

  /**
   * Adds up the API's tallies.
   * @param {Part[]} tallies
   */
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

  /**
   * Returns how many are in a status.
   * @param {string} status
   */
  count(status) {
    return this.#sums.get(status)?.count ?? 0;
  }

  /**
   * Returns how many are in the statuses of a group.
   * @param {Group} group
   */
  countOf(group) {
    return this.#countWhere((facts) => facts.group === group);
  }

  /** How many are paid. */
  get paid() {
    return this.countOf("received");
  }

  /** How many refunds are still to be made. */
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
   * Returns how much those in a status are over: pairs of currency and minor units. Currencies are never added to each
   * other.
   * @param {string} status
   */
  value(status) {
    return [...(this.#sums.get(status)?.value ?? [])].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  /** How much was paid, likewise. */
  get valuePaid() {
    const paid = [...STATUSES].filter(([, { group }]) => group === "received");
    return paid.flatMap(([status]) => this.value(status));
  }

  /**
   * Returns how many of a status had not clicked, and how many had. Of most statuses it is one or the other. Of one
   * that can follow either, the clicked ones are those clicks that no other status accounts for.
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

/** The report on a range, asked for in pieces where it is longer than the API answers at once. */
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
   * Asks for everything the first time, and later for the last piece alone: what was sent three months ago has come to
   * its end.
   * @param {AbortSignal} signal
   * @param {(done: number, all: number) => void} progress
   */
  async look(signal, progress) {
    const missing = this.#pieces.keys().filter((index) => !this.#answers[index] || index === this.#pieces.length - 1);
    const take = async () => {
      // All of them take from one iterator, so each piece is asked for once.
      for (const index of missing) {
        const asked = { ...parameters(this.#pieces[index]), include: "clicks,days" };
        this.#answers[index] = await this.#api.report(asked, signal);
        progress(Object.keys(this.#answers).length, this.#pieces.length);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
    return this.#sum();
  }

  #sum() {
    /** @type {Map<string, { id: string, name: string, tallies: Part[] }>} */
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

/** @typedef {Awaited<ReturnType<Report["look"]>>} Found */
/** @typedef {Found["agents"][number]} AgentTally */
