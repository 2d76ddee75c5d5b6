//! The port [`Settlements`] of the configured provider. The calls are boxed: as parts of a comparison, their futures
//! would be nested deeper than the compiler looks.

use super::ConfiguredProvider;
use domain::ports::{PaymentsPage, PayoutsPage, ProviderError, ProviderPayment, SettlementList, Settlements, Window};

impl Settlements for ConfiguredProvider {
    async fn settlements(
        &self,
        list: SettlementList,
        window: Window,
        place: Option<&str>,
    ) -> Result<PaymentsPage, ProviderError> {
        match self {
            Self::Sandbox(provider) => Box::pin(provider.settlements(list, window, place)).await,
            Self::Stripe(provider) => Box::pin(provider.settlements(list, window, place)).await,
            Self::Paystack(provider) => Box::pin(provider.settlements(list, window, place)).await,
        }
    }

    async fn payment(&self, reference: &str) -> Result<Option<ProviderPayment>, ProviderError> {
        match self {
            Self::Sandbox(provider) => Box::pin(provider.payment(reference)).await,
            Self::Stripe(provider) => Box::pin(provider.payment(reference)).await,
            Self::Paystack(provider) => Box::pin(provider.payment(reference)).await,
        }
    }

    async fn payouts(&self, window: Window, place: Option<&str>) -> Result<PayoutsPage, ProviderError> {
        match self {
            Self::Sandbox(provider) => Box::pin(provider.payouts(window, place)).await,
            Self::Stripe(provider) => Box::pin(provider.payouts(window, place)).await,
            Self::Paystack(provider) => Box::pin(provider.payouts(window, place)).await,
        }
    }
}
