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
  money = { ...(await served(system, "shared/money.js")), ...(await served(system, "agent/amount.js")) };
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

/** Every row is what somebody types, the currency that is chosen, and the amount or why there is none. */
function reads(rows) {
  for (const [typed, currency, expected] of rows) {
    const reading = money.readAmount(typed, currency);
    const found = reading.minorUnits ?? reading.problem;
    assert.equal(found, expected, `${JSON.stringify(typed)} in ${currency}`);
    assert.equal(money.parseAmount(typed, currency), reading.minorUnits ?? null);
  }
}

test("an amount is read however people write numbers, and rejected where it is ambiguous", () => {
  reads([
    ["250", "ZAR", 25000],
    ["250.5", "ZAR", 25050],
    ["250,50", "ZAR", 25050],
    ["1,250.50", "ZAR", 125_050],
    ["1.250,50", "ZAR", 125_050],
    ["1 250,50", "ZAR", 125_050],
    ["1’250.50", "ZAR", 125_050],
    ["1'250.50", "ZAR", 125_050],
    ["1’250", "KWD", 1_250_000],
    ["1\u00a0250\u00a0000,5", "ZAR", 125_000_050],
    ["1\u202f250,500", "KWD", 1_250_500],
    ["1,250", "ZAR", 125_000],
    ["1,250,000", "ZAR", 125_000_000],
    ["1.250.000", "ZAR", 125_000_000],
    ["1,250", "JPY", 1250],
    ["12,500", "JPY", 12_500],
    ["1.250", "KWD", 1250],
    ["12.5", "KWD", 12_500],
    ["0,250", "KWD", 250],
    ["12500.000", "KWD", 12_500_000],
    ["1,25,000.50", "INR", 12_500_050],
    ["250,-", "EUR", 25_000],
    ["250.–", "CHF", 25_000],
    [" 0.01 ", "ZAR", 1],
    [".5", "ZAR", 50],
    [",05", "ZAR", 5],
    ["0", "ZAR", 0],
    ["0012", "ZAR", 1200],
    ["1.250", "ZAR", "ambiguous"],
    ["1.250", "JPY", "ambiguous"],
    ["1,250", "KWD", "ambiguous"],
    ["0.250", "ZAR", "decimals"],
    ["0,250", "ZAR", "decimals"],
    ["250.5051", "ZAR", "decimals"],
    ["1250.505", "ZAR", "decimals"],
    ["1 250,505", "ZAR", "decimals"],
    ["250.505", "ZAR", "ambiguous"],
    ["250.5", "JPY", "decimals"],
    ["250.00", "JPY", "decimals"],
    ["250.", "ZAR", "unreadable"],
    [".", "ZAR", "unreadable"],
    ["1,25,000", "ZAR", "unreadable"],
    ["1,2500.00", "ZAR", "unreadable"],
    ["1 25", "ZAR", "unreadable"],
    ["1 250,000.50", "ZAR", "unreadable"],
    ["1.250.50", "ZAR", "unreadable"],
    ["0 250", "ZAR", "unreadable"],
    ["-250", "ZAR", "unreadable"],
    ["(250)", "ZAR", "unreadable"],
    ["250²", "ZAR", "unreadable"],
    ["2e3", "ZAR", "unreadable"],
    ["0x10", "ZAR", "unreadable"],
    ["", "ZAR", "unreadable"],
    ["9".repeat(40), "ZAR", "unreadable"],
  ]);
  assert.equal(money.decimals("JPY"), 0);
});

test("an amount is read in every script that people type digits in", () => {
  reads([
    ["٢٥٠", "ZAR", 25000],
    ["١٬٢٥٠٫٥٠", "ZAR", 125_050],
    ["١٬٢٥٠", "KWD", 1_250_000],
    ["١٫٢٥٠", "KWD", 1250],
    ["١٫٢٥٠", "ZAR", "decimals"],
    ["۱٬۲۵۰", "ZAR", 125_000],
    ["२५०.५", "INR", 25_050],
    ["２５０．５０", "ZAR", 25050],
    ["１，２５０", "JPY", 1250],
    ["\u200f٢٥٠\u200f", "ZAR", 25000],
    ["\u2066250.50\u2069", "ZAR", 25050],
  ]);
});

test("an ambiguous amount comes with both readings", () => {
  for (const [typed, currency, readings] of [
    ["1.250", "ZAR", ["1250", "1.25"]],
    ["250.505", "ZAR", ["250505", null]],
    ["1.250", "JPY", ["1250", null]],
    ["1,250", "KWD", ["1250", "1.250"]],
  ]) {
    assert.deepEqual(money.readAmount(typed, currency).readings, readings);
    for (const reading of readings) if (reading) assert.notEqual(money.parseAmount(reading, currency), null, reading);
  }
});

test("an amount may have its currency's code or symbol, and is rejected with another's", () => {
  reads([
    ["250.00 ZAR", "ZAR", 25000],
    ["ZAR 250", "ZAR", 25000],
    ["zar250", "ZAR", 25000],
    ["250zar", "ZAR", 25000],
    ["R250", "ZAR", 25000],
    ["R 1,250.50", "ZAR", 125_050],
    ["r250", "ZAR", 25000],
    ["R250 ZAR", "ZAR", 25000],
    ["R .50", "ZAR", 50],
    ["$.50", "USD", 50],
    ["$250", "CAD", 25000],
    ["C$250", "CAD", "unit"],
    ["250 €", "EUR", 25000],
    ["€1.250,50", "EUR", 125_050],
    ["250,- kr.", "SEK", 25000],
    ["250 Kč", "CZK", 25000],
    ["٢٥٠ د.ك.", "KWD", 250_000],
    ["R$250", "ZAR", "unit"],
    ["$250", "ZAR", "unit"],
    ["250 USD", "ZAR", "unit"],
    ["R250 USD", "ZAR", "unit"],
    ["€250", "ZAR", "unit"],
    ["two hundred", "ZAR", "unit"],
    ["250 rand", "ZAR", "unit"],
    ["250k", "ZAR", "unit"],
    // Fifty rand or fifty cents: the point may be the abbreviation's.
    ["R.50", "ZAR", "unreadable"],
    ["Rs.50", "PKR", "unreadable"],
    ["Rs. 50", "PKR", 5000],
  ]);
  assert.equal(money.currencyIn("250.00 usd"), "USD");
  assert.equal(money.currencyIn("KWD 25"), "KWD");
  for (const text of ["250", "$250", "R250", "250 BGN", "250 rand", ""])
    assert.equal(money.currencyIn(text), undefined, text);
});

test("every currency's amounts are read in each way of writing them, and never as ten times or a thousandth", () => {
  const { decimals, formatMoney, parseAmount, readAmount } = money;
  for (const currency of Object.keys(tables.CURRENCIES)) {
    const places = decimals(currency);
    for (const amount of [1, 99, 1000, 12_345, 125_050, 1_250_000, 99_999_999]) {
      const text = formatMoney(amount, currency).replace(/^\D+/, "");
      const [whole, fraction] = text.split(".");
      for (const [group, mark] of [
        [",", "."],
        [".", ","],
        [" ", ","],
        ["\u202f", ","],
        ["’", "."],
        ["٬", "٫"],
        ["", "."],
        ["", ","],
      ]) {
        const typed = [whole.replaceAll(",", group), ...(fraction ? [fraction] : [])].join(mark);
        for (const written of [
          typed,
          `${typed} ${currency}`,
          `${currency} ${typed}`,
          `${currency.toLowerCase()}${typed}`,
        ]) {
          const reading = readAmount(written, currency);
          // A single mark before three digits is rejected where it is ambiguous.
          const isLone = /^[1-9]\d{0,2}[.,]\d{3}$/.test(typed);
          if (isLone && reading.problem === "ambiguous") continue;
          assert.deepEqual(reading, { minorUnits: amount }, `${written} in ${currency}`);
        }
      }
      for (const more of [`${text}${places ? "" : "."}5`, `${text}${places ? "" : ","}05`]) {
        assert.equal(parseAmount(more, currency), null, `${more} in ${currency}`);
      }
    }
  }
});
