// Phone numbers as people type and paste them, held against libphonenumber's judgements in shared/domain/phones. It
// needs no browser, and stands here with everything else about the pages.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { ROOT, System, served } from "./harness.mjs";

let system;
let readPhone;
let countriesOf;

before(async () => {
  system = await System.start();
  ({ readPhone, countriesOf } = await served(system, "agent/phone.js"));
});

after(() => system.stop());

/** Returns the lines of a table of judgements, without the comments. */
async function lines(name) {
  const text = await readFile(path.join(ROOT, "shared/domain/phones", name), "utf8");
  return text.split("\n").filter((line) => line && !line.startsWith("#"));
}

/** Returns a text with the digits of another script, whose zero is given. */
function inDigits(number, zero) {
  return number.replace(/\d/g, (digit) => String.fromCharCode(zero.charCodeAt(0) + Number(digit)));
}

test("a number is read in each way that people write it", () => {
  for (const [typed, country] of [
    ["+27831234567", ""],
    ["+27 (0)83 123 4567", ""],
    ["+27 083 123 4567", ""],
    ["(+27) 83-123-4567", ""],
    ["+27.83.123/4567", ""],
    ["27831234567", ""],
    ["27 83 123 4567", ""],
    ["27 (0)83 123 4567", ""],
    ["0027 83 123 4567", ""],
    ["+0027 83 123 4567", ""],
    ["00 27 (0)83 123 4567", "US"],
    ["011 27 83 123 4567", "US"],
    ["0011 27 83 123 4567", "AU"],
    ["010 27 83 123 4567", "JP"],
    ["tel:+27-83-123-4567", ""],
    ["TEL:+27831234567", ""],
    ["+27\u00a083\u202f123\u20094567", ""],
    ["+27‐83‑123–4567", ""],
    ["+27—83−123-4567", ""],
    ["\u202a+27831234567\u202c", ""],
    ["+٢٧ ٨٣ ١٢٣ ٤٥٦٧", ""],
    ["\u200f٢٧ ٨٣ ١٢٣ ٤٥٦٧+", ""],
    ["۰۸۳ ۱۲۳ ۴۵۶۷", "ZA"],
    ["＋２７（８３）１２３－４５６７", ""],
    ["०८३ १२३ ४५६७", "ZA"],
    ["083 123 4567", "ZA"],
    ["(083) 123-4567", "ZA"],
    ["83 123 4567", "ZA"],
    ["2783 123 4567", "ZA"],
    ["\t083\n123 4567 ", "ZA"],
  ]) {
    assert.deepEqual(
      readPhone(typed, country),
      ["+27831234567"],
      `${JSON.stringify(typed)} in ${country || "no country"}`,
    );
  }
  for (const [typed, country, number] of [
    ["06 12 34 56 78", "FR", "+33612345678"],
    ["8 (912) 345-67-89", "RU", "+79123456789"],
    ["06 20 123 4567", "HU", "+36201234567"],
    ["(201) 555-0123", "US", "+12015550123"],
    ["1-201-555-0123", "US", "+12015550123"],
    ["464-1234", "AG", "+12684641234"],
    ["011 15-2345-6789", "AR", "+5491123456789"],
    ["(51) 98765-4321", "BR", "+5551987654321"],
    ["02 1234 5678", "IT", "+390212345678"],
    ["+34 (0)612 34 56 78", "", "+34612345678"],
    ["+44 (0)7911 123456", "ZA", "+447911123456"],
    ["+52 1 55 1234 5678", "", "+525512345678"],
    ["+55 11 8765-4321", "", "+5511987654321"],
  ]) {
    assert.deepEqual(readPhone(typed, country), [number], `${typed} in ${country}`);
  }
});

test("no country is guessed, and what can be two numbers is not sent", () => {
  for (const typed of ["083 123 4567", "0831234567", "831234567", "(201) 555-0123", "131 2345 6789", "50037123"])
    assert.deepEqual(readPhone(typed, ""), [], typed);
  for (const [typed, country, numbers] of [
    ["6582234567", "", ["+6582234567", "+16582234567"]],
    ["6582234567", "US", ["+16582234567", "+6582234567"]],
    ["51987654321", "BR", ["+5551987654321", "+51987654321"]],
    ["+39 (0)55 1234 5678", "", ["+3905512345678", "+395512345678"]],
  ]) {
    assert.deepEqual(readPhone(typed, country), numbers, typed);
  }
});

test("what is no number is none", () => {
  for (const typed of [
    "",
    "+",
    "+27",
    "++27831234567",
    "+27831234567+",
    "+33 6 12 34 56 7",
    "+33 6 12 34 56 789",
    "+999123456789",
    "+0831234567",
    "+2783123456a",
    "+27831234567;ext=1",
    "+1800FLOWERS",
    "083 123 4567 or 083 765 4321",
    "083 123 4567 / 083 765 4321",
    "²⁷⁸³¹²³⁴⁵⁶⁷",
    "2".repeat(10_000),
    "+2".repeat(10_000),
    "constructor",
  ]) {
    for (const country of ["", "ZA", "US", "constructor", "za"])
      assert.deepEqual(readPhone(typed, country), [], `${typed.slice(0, 40)} in ${country}`);
  }
});

test("a number with its plus is what libphonenumber judges it to be, wherever it is typed", async () => {
  let judged = 0;
  for (const line of await lines("judged.txt")) {
    const [code, , ...words] = line.split(" ");
    for (const word of words) {
      const [, national, verdict] = /^(\d+)(.*)$/.exec(word);
      const number = code + national;
      const found = readPhone(number, "");
      if (verdict.startsWith("-")) {
        // Two kinds of these are read in another form: abolished mobile prefixes, and numbers of more than 15 digits
        // that are valid without their national prefix.
        if (number.length <= 16 && !/^\+5[25]/.test(number)) assert.deepEqual(found, [], number);
      } else {
        assert.deepEqual(found, [verdict.startsWith(">") ? code + verdict.slice(1) : number], word);
      }
      if (judged % 7 === 0)
        for (const country of ["ZA", "US", "DE", "IT"]) assert.deepEqual(readPhone(number, country), found);
      judged += 1;
    }
  }
  assert.ok(judged > 15_000, `${judged} show little`);
});

test("whatever people in a country type is read as libphonenumber reads it there, or they are asked", async () => {
  const tally = { same: 0, asked: 0, more: 0, none: 0 };
  for (const line of await lines("typed.txt")) {
    const [head, ...texts] = line.split("\t");
    const [country, number] = head.split(" ");
    for (const [text, verdict = number] of texts.map((typed) => typed.split(">"))) {
      const found = readPhone(text, country);
      const what = `${text} in ${country}, which is ${number}: ${found}`;
      if (verdict) {
        assert.ok(found.includes(verdict), what);
        tally[found.length === 1 ? "same" : "asked"] += 1;
      } else {
        // libphonenumber reads nothing, for example 00 where people dial 011. Then it is this number, or none.
        assert.ok(found.length === 0 || (found.length === 1 && found[0] === number), what);
        tally[found.length === 1 ? "more" : "none"] += 1;
      }
    }
  }
  assert.ok(tally.same > 6_000, JSON.stringify(tally));
  assert.ok(tally.asked < tally.same / 100, `people are asked too often: ${JSON.stringify(tally)}`);
});

test("digits, spaces and dashes of every kind change nothing about any example", async () => {
  for (const line of await lines("typed.txt")) {
    const [head, ...texts] = line.split("\t");
    const [country] = head.split(" ");
    const [text] = texts[0].split(">");
    const found = readPhone(text, country);
    for (const other of [
      text.replaceAll(" ", "\u00a0").replaceAll("-", "\u2011"),
      text.replaceAll(" ", "\u2009").replaceAll("-", "–"),
      inDigits(text, "٠"),
      inDigits(text, "０"),
      `\u200e${text}\u200e`,
    ]) {
      assert.deepEqual(readPhone(other, country), found, other);
    }
  }
});

test("a number's countries are those that share its code, the main one first", () => {
  assert.deepEqual(countriesOf("+27831234567"), ["ZA"]);
  assert.deepEqual(countriesOf("+79123456789"), ["RU", "KZ"]);
  assert.equal(countriesOf("+12015550123")[0], "US");
  assert.deepEqual(countriesOf("+80012345678"), []);
});
