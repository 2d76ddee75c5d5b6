//! Reports: they may be repeated, come in any order or never, and somebody else may send them.

use super::provider::{Page, Provider, Report};
use super::world::{AMOUNT, Delivery, World};
use domain::ports::Closes;
use domain::{Doors, PaymentRequestId, Status};
use serde_json::{Value, json};
use tests::log::Log;

/// The greatest size of a webhook in bytes.
const AT_MOST: usize = runtime::webhook::WEBHOOK_AT_MOST;

/// What a customer and their bank do on a page, and how the request ends.
const LIVES: [(&[&str], Status); 4] = [
    (&["succeeded"], Status::Paid),
    (&["declined", "declined", "succeeded"], Status::Paid),
    (&["declined", "processing", "settle succeeded"], Status::Paid),
    (&["processing", "settle failed"], Status::Expired),
];

async fn act<P: Provider>(world: &World<P>, page: &Page, acts: &[&str]) {
    for act in acts {
        let (form, outcome) = act.split_once(' ').unwrap_or(("pay", act));
        assert_eq!(world.stand_in.press(&page.url, form, outcome).await, 303, "{act}");
    }
}

pub(super) async fn repeated_in_any_order_they_have_the_effect_of_one_each<P: Provider>() {
    let world = World::<P>::start().await;
    for (seed, (acts, end)) in (1..).zip(LIVES).flat_map(|(n, life)| [(n, life), (n + 10, life), (n + 20, life)]) {
        let (id, page) = world.clicked().await;
        act(&world, &page, acts).await;
        world.storm(&id, seed).await;
        let request = world.looked_at(&id).await;
        world.assert_end(&id, end, &format!("{acts:?} {seed}")).await;
        // A failed attempt is an entry of its own, and any other status comes once. Stripe reports money that does not
        // arrive as a failed attempt too, which is one as long as no other report has come before it.
        let failures = acts.iter().filter(|act| ["declined", "settle failed"].contains(act)).count();
        assert!((3..=4 + failures).contains(&request.version()), "{acts:?}: {:?}", request.history);
        world.storm(&id, seed).await;
        assert_eq!(world.handlers.stored(&id).await.version(), request.version(), "{acts:?}: nothing is new");
    }
}

pub(super) async fn when_all_are_lost_the_end_is_the_same<P: Provider>() {
    let world = World::<P>::start().await;
    for (acts, end) in LIVES {
        let (id, page) = world.clicked().await;
        act(&world, &page, acts).await;
        assert_eq!(world.status(&id).await, Status::Clicked, "nothing was reported");
        let request = world.looked_at(&id).await;
        let is_open = P::CLOSES == Closes::Never && request.status == Status::Expired;
        assert!(request.due_at.is_none() || is_open, "{acts:?}: only a page that may be open is asked about");
        world.assert_end(&id, end, &format!("{acts:?}")).await;
    }
    let (id, _) = world.due().await;
    world.looked_at(&id).await;
    world.assert_end(&id, Status::Refunded, "by looks alone").await;
}

pub(super) async fn forged_they_change_nothing_and_cause_no_call<P: Provider>() {
    let world = World::<P>::start().await;
    let (id, page) = world.clicked().await;
    assert_eq!(world.pay(&page).await, 303);
    let genuine = world.report(&id, Report::Paid).await;
    let unsigned = Delivery { headers: vec![], body: genuine.body.clone() };
    let of_another_body = Delivery { headers: genuine.headers.clone(), body: format!("{} ", genuine.body) };
    let by_another = Delivery { headers: P::sign(&genuine.body, false), body: genuine.body.clone() };
    let mut nonsense = Delivery::signed::<P>(genuine.body.clone());
    for (_, value) in &mut nonsense.headers {
        "nonsense".clone_into(value);
    }
    let large = Delivery { headers: P::sign("", false), body: "x".repeat(AT_MOST + 1) };
    world.wire.take_calls();
    world.handlers.proxy.take_calls();
    for (what, forged) in [
        ("unsigned", unsigned),
        ("signed for another body", of_another_body),
        ("signed with another key", by_another),
        ("with nonsense for a signature", nonsense),
        ("too large", large),
    ] {
        let answer = world.send(&forged).await;
        assert!([401, 413].contains(&answer.status), "{what}: {answer:?}");
        assert_eq!(world.wire.take_calls(), Vec::<String>::new(), "{what}: nobody is called");
        assert_eq!(world.handlers.proxy.take_calls(), [], "{what}: nothing is read or written");
    }
    assert_eq!(world.status(&id).await, Status::Clicked);
    world.deliver(&id, Report::Paid).await;
    world.assert_end(&id, Status::Paid, "by the genuine one").await;
}

pub(super) async fn of_the_other_mode_or_another_account_they_change_nothing<P: Provider>() {
    let (log, _guard) = Log::of_this_thread();
    let world = World::<P>::start().await;
    let (id, page) = world.clicked().await;
    assert_eq!(world.pay(&page).await, 303);
    let genuine = world.report(&id, Report::Paid).await.event();
    let unknown = PaymentRequestId::new(&Doors::default()).unwrap().to_string();
    let of_unknown = serde_json::from_str(&genuine.to_string().replace(&id, &unknown)).unwrap();
    let events = [
        ("WebhookOtherMode", P::of_other_mode(genuine.clone())),
        ("WebhookIgnored", Some(P::of_nobody(genuine.clone()))),
        // Only a report that is believed can be about money of a request that does not exist.
        (if P::REPORTS_ARE_BELIEVED { "PaymentUnknown" } else { "WebhookIgnored" }, Some(of_unknown)),
    ];
    for (metric, event) in events {
        let Some(event) = event else { continue };
        log.clear();
        let answer = world.send(&Delivery::signed::<P>(event.to_string())).await;
        assert_eq!(answer.status, 200, "{metric}: {answer:?}");
        assert_eq!(world.status(&id).await, Status::Clicked, "{metric}: {event}");
        let log = log.take();
        assert!(log.contains(metric), "{metric} is counted: {log}");
        assert!(!log.contains("+27831234567"), "{log}");
    }
    world.looked_at(&id).await;
    world.assert_end(&id, Status::Paid, "by asking").await;
}

pub(super) async fn of_another_amount_they_are_no_payment<P: Provider>() {
    let (log, _guard) = Log::of_this_thread();
    for change in [P::with_other_amount, P::with_other_currency] {
        let world = World::<P>::start().await;
        let (id, page) = world.clicked().await;
        assert_eq!(world.pay(&page).await, 303);
        let genuine = world.report(&id, Report::Paid).await;
        // Who does not believe a report has to get the other amount as the answer, too.
        if !P::REPORTS_ARE_BELIEVED {
            world.wire.rewrite(move |_, answer| change(answer));
        }
        log.clear();
        let answer = world.send(&Delivery::signed::<P>(change(genuine.event()).to_string())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(world.status(&id).await, Status::Clicked);
        let log = log.take();
        assert!(log.contains("AmountMismatch"), "it is counted: {log}");
        world.wire.keep();
        world.looked_at(&id).await;
        world.assert_end(&id, Status::Paid, "its own amount was paid after all").await;
    }
}

/// Returns the ways to every value of an object.
fn places(value: &Value, place: &str, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(elements) => elements.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        self::places(child, &place, places);
        places.push(place);
    }
}

/// The provider's own signature is on bodies of every form. None makes a failure of ours, which the provider would
/// repeat for ever, and none pays another request.
pub(super) async fn whatever_is_signed_is_answered_and_pays_no_other_request<P: Provider>() {
    let world = World::<P>::start().await;
    let (other, _) = world.clicked().await;
    let (id, page) = world.clicked().await;
    assert_eq!(world.pay(&page).await, 303);
    let genuine = world.report(&id, Report::Paid).await.event();
    let mut places = Vec::new();
    self::places(&genuine, "", &mut places);
    let mut bodies: Vec<String> = ["", "null", "[]", "7", "{", "{}", "\u{feff}{}"].map(str::to_owned).to_vec();
    for place in places {
        for odd in [Value::Null, json!(7), json!(-1), json!(1.5e300), json!("\u{0}?&/"), json!({}), json!([[]])] {
            let mut event = genuine.clone();
            *event.pointer_mut(&place).unwrap() = odd;
            bodies.push(event.to_string());
        }
    }
    for body in bodies {
        let answer = world.send(&Delivery::signed::<P>(body.clone())).await;
        assert!(matches!(answer.status, 200 | 400), "{answer:?}: {body}");
    }
    assert_eq!(world.status(&other).await, Status::Clicked, "nobody has paid it");
    assert_eq!(world.send(&world.report(&id, Report::Paid).await).await.status, 200);
    world.looked_at(&id).await;
    let request = world.handlers.stored(&id).await;
    assert_eq!((request.status, world.kept(&id).await), (Status::Paid, AMOUNT), "{:?}", request.history);
}
