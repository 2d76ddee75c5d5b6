// Amounts as people type and read them. The tests need no browser; they are here with the other tests of the pages.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { System, served } from "./harness.mjs";

let system;
let tables;
let money;

before(async () => {
  system = await System.start();
  tables = await served(system, "shared/currencies.js");
  money = await served(system, "shared/money.js");
});

after(() => system.stop());

test("an amount is formatted by the rules of its currency", () => {
  for (const [amount, currency, text] of [
    [25000, "ZAR", "R250.00"],
    [5, "ZAR", "R0.05"],
    [99_999_999, "USD", "$999,999.99"],
    [25000, "JPY", "¥25,000"],
    [25000, "KWD", "KWD\u00a025.000"],
    [123_456_789, "EUR", "€1,234,567.89"],
    [250, "BGN", "BGN\u00a02.50"],
    [123_456, "CLF", "CLF\u00a012.3456"],
    [250, "ABC", "ABC\u00a02.50"],
  ]) {
    assert.equal(money.formatMoney(amount, currency), text);
  }
});

test("a formatted amount is parsed to the same amount", () => {
  const { formatMoney, parseAmount, plainAmount } = money;
  for (const currency of [...Object.keys(tables.CURRENCIES), ...Object.keys(tables.FORMER)]) {
    for (const amount of [1, 9, 10, 99, 100, 999, 1000, 12_345, 100_000, 1_234_567, 99_999_999]) {
      assert.equal(parseAmount(formatMoney(amount, currency), currency), amount, `${amount} ${currency}`);
      assert.equal(parseAmount(plainAmount(amount, currency), currency), amount, `${amount} ${currency}`);
    }
  }
});

test("a former currency is not offered", () => {
  assert.ok(money.isCurrency("ZAR") && money.currencies().includes("ZAR"));
  for (const former of ["BGN", "HRK", "SLL", "ZWL", "BOV"]) {
    assert.ok(Object.hasOwn(tables.FORMER, former), former);
    assert.ok(!money.isCurrency(former) && !money.currencies().includes(former), former);
  }
  for (const other of ["", "zar", "XXX", "constructor", "__proto__"]) assert.ok(!money.isCurrency(other), other);
});

test("an amount is parsed in every common notation, and rejected if it is ambiguous", () => {
  for (const [typed, currency, amount] of [
    ["250", "ZAR", 25000],
    ["250.5", "ZAR", 25050],
    ["250,50", "ZAR", 25050],
    ["1,250.50", "ZAR", 125_050],
    ["1.250,50", "ZAR", 125_050],
    ["1 250,50", "ZAR", 125_050],
    ["1,250", "ZAR", 125_000],
    ["1,250,000", "ZAR", 125_000_000],
    ["R 1,250.50", "ZAR", 125_050],
    ["r250", "ZAR", 25000],
    ["zar 250", "ZAR", 25000],
    [" 0.01 ", "ZAR", 1],
    ["1,250", "JPY", 1250],
    ["1.250", "KWD", 1250],
    ["12.5", "KWD", 12_500],
    ["0", "ZAR", 0],
    ["1.250.000", "ZAR", 125_000_000],
    ["1.250", "ZAR", null],
    ["1.250", "JPY", null],
    ["1,250", "KWD", null],
    ["250.505", "ZAR", null],
    ["250.5", "JPY", null],
    ["250.", "ZAR", null],
    [".50", "ZAR", null],
    ["1,25,000", "ZAR", null],
    ["1,2500.00", "ZAR", null],
    ["-250", "ZAR", null],
    ["2e3", "ZAR", null],
    ["0x10", "ZAR", null],
    ["٢٥٠", "ZAR", null],
    ["", "ZAR", null],
    ["two hundred", "ZAR", null],
    ["$250", "ZAR", null],
    ["9".repeat(40), "ZAR", null],
  ]) {
    assert.equal(money.parseAmount(typed, currency), amount, `${typed} ${currency}`);
  }
  assert.equal(money.decimals("JPY"), 0);
});
