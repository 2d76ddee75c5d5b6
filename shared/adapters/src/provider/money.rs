//! Why a provider does not accept an amount of money.

use super::MoneyRefusal;
use domain::Money;

/// The reason why a provider does not accept an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotChargeable {
    /// The provider does not accept the currency.
    Currency,
    /// The amount is below this minimum.
    BelowMinimum(Money),
    /// The amount is above this maximum.
    AboveMaximum(Money),
    /// The amount is not a multiple of this.
    Step(Money),
}

impl From<NotChargeable> for MoneyRefusal {
    fn from(refusal: NotChargeable) -> Self {
        let (field, message) = match refusal {
            NotChargeable::Currency => ("currency", "must be one that the payment provider accepts".to_owned()),
            NotChargeable::BelowMinimum(money) => {
                ("amount", format!("must be at least {money}, the payment provider's minimum"))
            }
            NotChargeable::AboveMaximum(money) => {
                ("amount", format!("must be at most {money}, the payment provider's maximum"))
            }
            NotChargeable::Step(money) => {
                ("amount", format!("must be a multiple of {money}, the payment provider's smallest step"))
            }
        };
        Self { field, message }
    }
}
