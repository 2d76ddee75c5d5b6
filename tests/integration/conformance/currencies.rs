//! Money: what we ask for, what the customer is charged, and what we read back are one amount.

use super::provider::{Currencies, Provider, Report};
use super::world::World;
use domain::ports::{CheckoutState, PaymentProvider as _};
use domain::{Amount, Currency, Money};
use futures::StreamExt as _;
use std::collections::BTreeSet;

/// The number of requests at the same time.
const AT_ONCE: usize = 4;

/// Returns the currencies that chat2pay takes itself.
fn all() -> impl Iterator<Item = Currency> {
    Currency::all_in_force()
}

fn money(minor_units: i64, currency: Currency) -> Money {
    Money { amount: Amount::new(minor_units).unwrap(), currency }
}

/// Returns the smallest and an odd amount that chat2pay asks for with this provider; none of a currency that the
/// provider does not take.
fn amounts<P: Provider>(currency: Currency) -> Option<[Money; 2]> {
    let accepts = |minor_units: &i64| P::NAME.check(money(*minor_units, currency)).is_ok();
    let smallest = (1..=100_000).find(accepts)?;
    let odd = (123_457..223_457).find(accepts)?;
    Some([smallest, odd].map(|minor_units| money(minor_units, currency)))
}

/// Returns an amount as a decimal number, in thousandths of the currency's main unit.
fn thousandths(decimal: &str) -> i64 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{}{fraction:0<3}", whole.replace(',', "")).parse().unwrap()
}

/// Returns the amount that a page shows to the customer, in thousandths of the currency's main unit, whichever way its
/// provider writes the currency.
async fn shown<P: Provider>(world: &World<P>, url: &str) -> i64 {
    let page = world.stand_in.client.get(url).send().await.unwrap().text().await.unwrap();
    let shown = page.split_once("<dt>Amount</dt><dd>").unwrap().1.split_once("</dd>").unwrap().0;
    // Symbols and codes, with the dots of some, stand before or after the digits.
    let is_number = |character: char| character.is_ascii_digit() || ".,".contains(character);
    let number = shown.trim_matches(|character: char| !character.is_ascii_digit());
    assert!(number.chars().all(is_number), "{shown}");
    thousandths(number)
}

pub(super) async fn what_is_charged_is_what_was_asked_for_and_is_read_back_unchanged<P: Provider>() {
    let world = World::<P>::start().await;
    let cases: Vec<[Money; 2]> = all().filter_map(amounts::<P>).collect();
    let codes: BTreeSet<&str> = cases.iter().map(|[money, _]| money.currency.code()).collect();
    match P::CURRENCIES {
        Currencies::All => assert_eq!(codes.len(), all().count()),
        Currencies::AtLeast(number) => assert!(codes.len() >= number, "{}: {codes:?}", codes.len()),
        Currencies::These(these) => assert_eq!(codes, these.iter().copied().collect()),
    }
    let live = async |(money, pays): (Money, bool)| {
        let Money { amount, currency } = money;
        let created = world.handlers.create_over(amount.minor_units(), currency.code()).await;
        assert_eq!(created.status, 201, "{money}: {created:?}");
        let id = created.body["id"].as_str().unwrap();
        let token = created.body["link"]["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let clicked = world.handlers.click(&token).await;
        assert_eq!(clicked.status, 303, "{money}: the provider takes it: {clicked:?}");
        let page = world.wire.pages(id).pop().unwrap();
        let scale = 10_i64.pow(u32::from(3 - currency.decimals()));
        assert_eq!(shown(&world, &page.url).await, amount.minor_units() * scale, "{money}");
        if !pays {
            return;
        }

        assert_eq!(world.pay(&page).await, 303);
        let request = world.handlers.stored(id).await;
        let adapter = world.adapter();
        let link = domain::event::link_url(&request, "https://pay.example.com");
        let attempts = domain::CheckoutAttempt::FIRST;
        let checkout = adapter.find_checkout(&request, &link, attempts, None).await.unwrap().unwrap();
        match adapter.check_checkout(&checkout).await.unwrap() {
            CheckoutState::Paid(paid) => assert_eq!((paid[0].money, paid.len()), (money, 1)),
            state => panic!("{money}: {state:?}"),
        }
        world.deliver(id, Report::Paid).await;
        assert_eq!(world.status(id).await, domain::Status::Paid, "{money}");
    };
    let cases = cases.into_iter().flat_map(|[smallest, odd]| [(smallest, false), (odd, true)]);
    futures::stream::iter(cases).map(live).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

pub(super) async fn a_currency_is_taken_or_refused_by_its_field_as_the_provider_does<P: Provider>() {
    let world = World::<P>::start().await;
    let compare = async |currency: Currency| {
        // An amount that is neither too small nor too large in any currency, nor between two that can be charged.
        let created = world.handlers.create_over(200_000, currency.code()).await;
        let refused = P::refuses(&world.stand_in, currency).await;
        assert_eq!(created.status, if refused { 422 } else { 201 }, "{currency}: {created:?}");
        if refused {
            assert_eq!(created.body["errors"][0]["field"], "currency", "{created:?}");
        }
    };
    futures::stream::iter(all()).map(compare).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    // Below the smallest amount, the amount is named.
    for [smallest, _] in all().filter_map(amounts::<P>).filter(|[smallest, _]| smallest.amount.minor_units() > 1) {
        let created = world.handlers.create_over(smallest.amount.minor_units() - 1, smallest.currency.code()).await;
        assert_eq!((created.status, &created.body["errors"][0]["field"]), (422, &"amount".into()), "{created:?}");
    }
}
