//! The definition of a payment provider: the rules that every one of them holds, through its adapter and the functions,
//! against its stand-in over HTTP.
//!
//! To add a provider, implement [`provider::Provider`] in a file of its own that ends with `conforms!`, and name the
//! file in the last lines of this one. A rule is one function, generic over the provider. What a provider cannot do it
//! declares in its file, and the rule says what holds instead.

mod checkouts;
mod closing;
mod currencies;
mod lost;
mod provider;
mod refunds;
mod reports;
mod settlements;
mod unknown;
mod wire;
mod world;

/// Makes a test of each rule for one provider.
macro_rules! rules {
    ($provider:ty; $($concern:ident::$rule:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $rule() {
                Box::pin(crate::conformance::$concern::$rule::<$provider>()).await;
            }
        )*
    };
}

/// Holds a provider to every rule, or to those about pages: how they are made, close, and are paid.
macro_rules! conforms {
    ($provider:ty) => {
        conforms!(
            $provider;
            currencies::what_is_charged_is_what_was_asked_for_and_is_read_back_unchanged,
            currencies::a_currency_is_taken_or_refused_by_its_field_as_the_provider_does,
            lost::a_click_survives_a_fault_at_every_call,
            lost::a_refund_survives_a_fault_at_every_call,
            lost::a_silent_provider_is_given_up_and_asked_again,
            reports::repeated_in_any_order_they_have_the_effect_of_one_each,
            reports::forged_they_change_nothing_and_cause_no_call,
            reports::of_the_other_mode_or_another_account_they_change_nothing,
            reports::of_another_amount_they_are_no_payment,
            reports::whatever_is_signed_is_answered_and_pays_no_other_request,
            refunds::late_money_goes_back_once_and_whole,
            refunds::a_refused_refund_stays_due_and_is_asked_for_again,
            refunds::a_refund_is_complete_when_its_money_has_gone_back,
            refunds::a_refund_that_fails_later_stays_due_until_a_new_one_succeeds,
            refunds::what_a_person_refunds_is_not_refunded_again,
            refunds::a_refund_that_was_not_due_changes_nothing,
            unknown::values_in_an_answer_count_as_not_yet_and_lose_nothing,
            unknown::values_in_a_report_count_as_not_yet_and_lose_nothing,
            unknown::values_in_a_list_count_as_not_yet,
            settlements::the_lists_agree_with_what_happened_page_by_page,
            settlements::a_list_whose_calls_fail_is_read_on_from_its_place,
        );
    };
    ($provider:ty, pages) => {
        conforms!($provider;);
    };
    ($provider:ty; $($rules:tt)*) => {
        rules! {
            $provider;
            checkouts::one_page_however_often_it_is_asked_for,
            checkouts::one_counted_payment_however_many_pages_there_are,
            checkouts::a_checkout_is_found_whether_or_not_its_answer_arrived,
            checkouts::a_checkout_that_is_known_stands_for_every_attempt,
            checkouts::a_declined_card_is_no_payment_and_another_one_pays,
            closing::of_closing_and_paying_in_the_same_moment_one_wins,
            closing::what_is_paid_after_the_end_is_impossible_or_goes_back,
            closing::a_transfer_begun_after_the_end_is_impossible_or_goes_back,
            closing::a_payment_after_a_failed_one_counts_if_it_is_in_time,
            closing::a_checkout_is_asked_and_closed_any_number_of_times,
            closing::a_transfer_is_in_flight_until_it_arrives_or_fails,
            lost::the_end_survives_a_fault_at_every_call,
            lost::a_refusal_is_not_taken_for_an_end,
            reports::when_all_are_lost_the_end_is_the_same,
            $($rules)*
        }
    };
}

// The providers.
mod paystack;
mod sandbox;
mod stripe;
