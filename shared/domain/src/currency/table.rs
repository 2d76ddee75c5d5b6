//! The currencies, as data without logic: the domain reads them here, and so does the build script of `desk`, which
//! makes the pages' table of them.
//!
//! Codes and minor units are those of ISO 4217, list one, as SIX Group published it on 2026-01-01
//! (<https://www.six-group.com/en/products-services/financial-information/data-standards.html>). `tests/currencies`
//! holds them against two copies of that list.
//!
//! Symbols follow the `en` locale of the Unicode CLDR, which writes the code itself (`KWD 25.000`) wherever no symbol
//! stands here; with the rand added, whose `R` the customer's messages are specified with.

/// A currency and how its amounts are written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The three-letter code of ISO 4217.
    pub(crate) code: &'static str,
    /// The number of decimals of its amounts: the exponent of its minor unit.
    pub(crate) decimals: u8,
    /// The symbol that is written before an amount in English text; `None` if no symbol is unambiguous.
    pub(crate) symbol: Option<&'static str>,
}

impl Entry {
    const fn new(code: &'static str, decimals: u8) -> Self {
        Self { code, decimals, symbol: None }
    }

    const fn written(self, symbol: &'static str) -> Self {
        Self { symbol: Some(symbol), ..self }
    }
}

/// The currencies that people pay in, sorted by code. Funds, units of account, precious metals and the codes for
/// testing are left out.
pub(crate) const IN_FORCE: &[Entry] = &[
    Entry::new("AED", 2),
    Entry::new("AFN", 2),
    Entry::new("ALL", 2),
    Entry::new("AMD", 2),
    Entry::new("AOA", 2),
    Entry::new("ARS", 2),
    Entry::new("AUD", 2).written("A$"),
    Entry::new("AWG", 2),
    Entry::new("AZN", 2),
    Entry::new("BAM", 2),
    Entry::new("BBD", 2),
    Entry::new("BDT", 2),
    Entry::new("BHD", 3),
    Entry::new("BIF", 0),
    Entry::new("BMD", 2),
    Entry::new("BND", 2),
    Entry::new("BOB", 2),
    Entry::new("BRL", 2).written("R$"),
    Entry::new("BSD", 2),
    Entry::new("BTN", 2),
    Entry::new("BWP", 2),
    Entry::new("BYN", 2),
    Entry::new("BZD", 2),
    Entry::new("CAD", 2).written("CA$"),
    Entry::new("CDF", 2),
    Entry::new("CHF", 2),
    Entry::new("CLP", 0),
    Entry::new("CNY", 2).written("CN¥"),
    Entry::new("COP", 2),
    Entry::new("CRC", 2),
    Entry::new("CUP", 2),
    Entry::new("CVE", 2),
    Entry::new("CZK", 2),
    Entry::new("DJF", 0),
    Entry::new("DKK", 2),
    Entry::new("DOP", 2),
    Entry::new("DZD", 2),
    Entry::new("EGP", 2),
    Entry::new("ERN", 2),
    Entry::new("ETB", 2),
    Entry::new("EUR", 2).written("€"),
    Entry::new("FJD", 2),
    Entry::new("FKP", 2),
    Entry::new("GBP", 2).written("£"),
    Entry::new("GEL", 2),
    Entry::new("GHS", 2),
    Entry::new("GIP", 2),
    Entry::new("GMD", 2),
    Entry::new("GNF", 0),
    Entry::new("GTQ", 2),
    Entry::new("GYD", 2),
    Entry::new("HKD", 2).written("HK$"),
    Entry::new("HNL", 2),
    Entry::new("HTG", 2),
    Entry::new("HUF", 2),
    Entry::new("IDR", 2),
    Entry::new("ILS", 2).written("₪"),
    Entry::new("INR", 2).written("₹"),
    Entry::new("IQD", 3),
    Entry::new("IRR", 2),
    Entry::new("ISK", 0),
    Entry::new("JMD", 2),
    Entry::new("JOD", 3),
    Entry::new("JPY", 0).written("¥"),
    Entry::new("KES", 2),
    Entry::new("KGS", 2),
    Entry::new("KHR", 2),
    Entry::new("KMF", 0),
    Entry::new("KPW", 2),
    Entry::new("KRW", 0).written("₩"),
    Entry::new("KWD", 3),
    Entry::new("KYD", 2),
    Entry::new("KZT", 2),
    Entry::new("LAK", 2),
    Entry::new("LBP", 2),
    Entry::new("LKR", 2),
    Entry::new("LRD", 2),
    Entry::new("LSL", 2),
    Entry::new("LYD", 3),
    Entry::new("MAD", 2),
    Entry::new("MDL", 2),
    Entry::new("MGA", 2),
    Entry::new("MKD", 2),
    Entry::new("MMK", 2),
    Entry::new("MNT", 2),
    Entry::new("MOP", 2),
    Entry::new("MRU", 2),
    Entry::new("MUR", 2),
    Entry::new("MVR", 2),
    Entry::new("MWK", 2),
    Entry::new("MXN", 2).written("MX$"),
    Entry::new("MYR", 2),
    Entry::new("MZN", 2),
    Entry::new("NAD", 2),
    Entry::new("NGN", 2),
    Entry::new("NIO", 2),
    Entry::new("NOK", 2),
    Entry::new("NPR", 2),
    Entry::new("NZD", 2).written("NZ$"),
    Entry::new("OMR", 3),
    Entry::new("PAB", 2),
    Entry::new("PEN", 2),
    Entry::new("PGK", 2),
    Entry::new("PHP", 2).written("₱"),
    Entry::new("PKR", 2),
    Entry::new("PLN", 2),
    Entry::new("PYG", 0),
    Entry::new("QAR", 2),
    Entry::new("RON", 2),
    Entry::new("RSD", 2),
    Entry::new("RUB", 2),
    Entry::new("RWF", 0),
    Entry::new("SAR", 2),
    Entry::new("SBD", 2),
    Entry::new("SCR", 2),
    Entry::new("SDG", 2),
    Entry::new("SEK", 2),
    Entry::new("SGD", 2),
    Entry::new("SHP", 2),
    Entry::new("SLE", 2),
    Entry::new("SOS", 2),
    Entry::new("SRD", 2),
    Entry::new("SSP", 2),
    Entry::new("STN", 2),
    Entry::new("SVC", 2),
    Entry::new("SYP", 2),
    Entry::new("SZL", 2),
    Entry::new("THB", 2),
    Entry::new("TJS", 2),
    Entry::new("TMT", 2),
    Entry::new("TND", 3),
    Entry::new("TOP", 2),
    Entry::new("TRY", 2),
    Entry::new("TTD", 2),
    Entry::new("TWD", 2).written("NT$"),
    Entry::new("TZS", 2),
    Entry::new("UAH", 2),
    Entry::new("UGX", 0),
    Entry::new("USD", 2).written("$"),
    Entry::new("UYU", 2),
    Entry::new("UZS", 2),
    Entry::new("VED", 2),
    Entry::new("VES", 2),
    Entry::new("VND", 0).written("₫"),
    Entry::new("VUV", 0),
    Entry::new("WST", 2),
    Entry::new("XAF", 0),
    Entry::new("XCD", 2),
    Entry::new("XCG", 2),
    Entry::new("XOF", 0),
    Entry::new("XPF", 0),
    Entry::new("YER", 2),
    Entry::new("ZAR", 2).written("R"),
    Entry::new("ZMW", 2),
    Entry::new("ZWG", 2),
];

/// The currencies that earlier versions accepted for new requests and that are rejected now, sorted by code. Requests
/// in them are still shown, reported and refunded for as long as they are kept.
pub(crate) const FORMER: &[Entry] = &[
    Entry::new("BGN", 2), // the lev; Bulgaria took the euro on 2026-01-01
    Entry::new("BOV", 2), // a fund of Bolivia
    Entry::new("CHE", 2), // the WIR euro, a complementary currency of Switzerland
    Entry::new("CHW", 2), // the WIR franc, likewise
    Entry::new("CLF", 4), // a unit of account of Chile
    Entry::new("COU", 2), // a unit of account of Colombia
    Entry::new("CUC", 2), // the convertible peso; Cuba withdrew it by 2021-06-30
    Entry::new("HRK", 2), // the kuna; Croatia took the euro on 2023-01-01
    Entry::new("MXV", 2), // a unit of account of Mexico
    Entry::new("SLL", 2), // the old leone; SLE took its place
    Entry::new("USN", 2), // the US dollar of the next day, a fund
    Entry::new("UYI", 0), // a unit of account of Uruguay
    Entry::new("UYW", 4), // an index of Uruguay by which pensions are paid
    Entry::new("XAD", 2), // the unit of account of the Arab Monetary Fund
    Entry::new("ZWL", 2), // the Zimbabwe dollar; ZWG took its place in 2024
];
