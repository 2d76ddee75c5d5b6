//! The export of settled payments as CSV (RFC 4180), for spreadsheets.

use domain::use_cases::reconcile::Compared;
use domain::{Currency, OrderNumber, WorkspaceId};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The names of the columns.
const COLUMNS: [&str; 13] = [
    "provider",
    "reference",
    "payment_request_id",
    "workspace",
    "order_number",
    "paid_at",
    "amount",
    "currency",
    "refunded",
    "disputed",
    "fee",
    "fee_currency",
    "payout_id",
];

/// A file of payments. Without [`Export::finish`], its last rows may be missing.
#[derive(Debug)]
pub struct Export<W: Write = BufWriter<File>> {
    file: W,
    provider: &'static str,
}

impl Export {
    /// Creates the file, or replaces an earlier one, and writes the names of the columns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path, provider: &'static str) -> io::Result<Self> {
        Self::new(BufWriter::new(File::create(path)?), provider)
    }
}

impl<W: Write> Export<W> {
    fn new(mut file: W, provider: &'static str) -> io::Result<Self> {
        write_row(&mut file, COLUMNS.map(str::to_owned))?;
        Ok(Self { file, provider })
    }

    /// Writes the row of a payment. A payout that the payment names itself is preferred to `payout`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, compared: &Compared, payout: Option<&str>) -> io::Result<()> {
        let Compared { payment, request } = compared;
        let (workspace, order_number) = request.as_ref().map_or((None, None), |request| {
            (Some(request.workspace.clone()), Some(request.details.order_number.clone()))
        });
        let money = |money: domain::Money| decimal(money.amount.minor_units(), money.currency);
        let row = [
            text(self.provider),
            text(&payment.reference),
            payment.id.to_string(),
            text(workspace.as_ref().map_or("", WorkspaceId::as_str)),
            text(order_number.as_ref().map_or("", OrderNumber::as_str)),
            payment.paid_at.to_string(),
            payment.money.map(money).unwrap_or_default(),
            payment.money.map(|money| money.currency.code().to_owned()).unwrap_or_default(),
            payment.refunded.map(money).unwrap_or_default(),
            payment.disputed.to_string(),
            payment.fee.map(|fee| decimal(fee.minor_units, fee.currency)).unwrap_or_default(),
            payment.fee.map(|fee| fee.currency.code().to_owned()).unwrap_or_default(),
            text(payment.payout.as_deref().or(payout).unwrap_or_default()),
        ];
        write_row(&mut self.file, row)
    }

    /// Writes what is left to the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_row(file: &mut impl Write, fields: [String; COLUMNS.len()]) -> io::Result<()> {
    write!(file, "{}\r\n", fields.map(|field| quoted(&field)).join(","))
}

/// Quotes a field where its content needs it.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// Guards a text that people or other systems wrote: a spreadsheet would read one that begins like a formula as such,
/// and some read a full-width sign as its narrow form, even after spaces. An apostrophe makes it plain text
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn text(text: &str) -> String {
    let is_formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    if is_formula || text.starts_with(|first: char| first.is_ascii_control()) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// Writes an amount with its currency's decimals, such as `250.00`.
fn decimal(minor_units: i64, currency: Currency) -> String {
    let decimals = usize::from(currency.decimals());
    let sign = if minor_units < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", minor_units.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ports::{Fee, ProviderPayment, SettlementState};
    use domain::{Amount, Doors, Money, PaymentRequestId};

    #[test]
    fn a_payment_is_a_row_and_a_text_is_never_a_formula() {
        let mut written = Vec::new();
        let mut export = Export::new(&mut written, "stripe").unwrap();
        let zar: Currency = "ZAR".parse().unwrap();
        let money = |amount| Some(Money { amount: Amount::new(amount).unwrap(), currency: zar });
        let id = PaymentRequestId::new(&Doors::default()).unwrap();
        let payment = ProviderPayment {
            reference: "=cmd|' /C calc'!A0, \"x\"".to_owned(),
            id,
            money: money(25_000),
            paid_at: "2026-11-03T10:00:00Z".parse().unwrap(),
            state: SettlementState::Settled,
            refunded: money(5),
            disputed: false,
            fee: Some(Fee { minor_units: 755, currency: "JPY".parse().unwrap() }),
            balance_entry: None,
            payout: None,
        };
        export.write(&Compared { payment, request: None }, Some("po_1")).unwrap();
        export.finish().unwrap();
        let written = String::from_utf8(written).unwrap();
        let expected = format!(
            "{}\r\nstripe,\"'=cmd|' /C calc'!A0, \"\"x\"\"\",{id},,,2026-11-03T10:00:00.000Z,250.00,ZAR,0.05,false,\
             755,JPY,po_1\r\n",
            COLUMNS.join(",")
        );
        assert_eq!(written, expected);
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_evaluate_is_guarded() {
        for formula in ["=1", "+1", "-1", "@x", " =1", "\t1", "\r=1", "\u{ff1d}1", "\u{3000}\u{ff0b}1"] {
            assert_eq!(text(formula), format!("'{formula}"), "{formula:?}");
        }
        for plain in ["", "10045", "a=b", "pi_1", "Café"] {
            assert_eq!(text(plain), plain);
        }
    }

    #[test]
    fn an_amount_has_its_currencys_decimals() {
        for (minor_units, currency, expected) in
            [(25_000, "ZAR", "250.00"), (5, "ZAR", "0.05"), (0, "ZAR", "0.00"), (-30, "USD", "-0.30"), (7, "JPY", "7")]
        {
            assert_eq!(decimal(minor_units, currency.parse().unwrap()), expected);
        }
        assert_eq!(decimal(1_234, "KWD".parse().unwrap()), "1.234");
    }
}
