//! The stand-ins for the parties outside the deployment. Add a new one to [`ROLES`].

mod phone;

use axum::Router;
use paystack_stand_in::PaystackStandIn;
use phone::PhoneStandIn;
use runtime::{ConfigError, Environment};
use sandbox_stand_in::SandboxStandIn;
use stand_in_host::{Host, StandIn, StandInError};
use stripe_stand_in::StripeStandIn;

/// A role of an outside party, such as the payment provider.
struct Role {
    /// The variable that names the party.
    variable: &'static str,
    /// The available stand-ins. The first is the default for a missing name.
    stand_ins: &'static [&'static dyn StandIn],
    /// Whether the first stand-in takes the place of any other party as well. Otherwise an unknown name is an error.
    replaces_others: bool,
}

const ROLES: [Role; 2] = [
    Role {
        variable: "PAYMENT_PROVIDER",
        stand_ins: &[&SandboxStandIn, &StripeStandIn, &PaystackStandIn],
        replaces_others: false,
    },
    Role { variable: "CHANNEL", stand_ins: &[&PhoneStandIn], replaces_others: true },
];

/// The stand-ins of one run of the runner.
pub(crate) struct StandIns(Vec<&'static dyn StandIn>);

impl StandIns {
    /// Selects one stand-in for each role, unless the functions are configured to call the real party.
    ///
    /// # Errors
    /// [`ConfigError`] if a variable names a party that does not exist.
    pub(crate) fn choose(given: &Environment) -> Result<Self, ConfigError> {
        let mut chosen = Vec::new();
        for role in &ROLES {
            let named = given.get(role.variable);
            let stand_in = role.stand_ins.iter().find(|stand_in| Some(stand_in.name()) == named);
            if stand_in.is_none() && named.is_some() && !role.replaces_others {
                let known: Vec<_> = role.stand_ins.iter().map(|stand_in| stand_in.name()).collect();
                return Err(Environment::invalid(role.variable, &known.join(" or ")));
            }
            chosen.extend(stand_in.or(role.stand_ins.first()).filter(|stand_in| !stand_in.is_elsewhere(given)));
        }
        Ok(Self(chosen))
    }

    /// Adds the variables by which the functions find the stand-ins.
    ///
    /// # Errors
    /// [`ConfigError`] if a variable is missing or invalid.
    pub(crate) fn configure(&self, host: &Host, given: Environment) -> Result<Environment, ConfigError> {
        self.0.iter().try_fold(given, |environment, stand_in| stand_in.configure(host, environment))
    }

    /// Starts the stand-ins, and returns their routes.
    ///
    /// # Errors
    /// [`StandInError`] of the first stand-in that could not be started.
    pub(crate) async fn start(&self, host: &Host, environment: &Environment) -> Result<Router, StandInError> {
        let mut routes = Router::new();
        for stand_in in &self.0 {
            routes = routes.merge(stand_in.start(host, environment).await?);
        }
        Ok(routes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::ProviderName;

    fn chosen(given: &Environment) -> Vec<&'static str> {
        StandIns::choose(given).unwrap().0.iter().map(|stand_in| stand_in.name()).collect()
    }

    #[test]
    fn every_provider_has_a_stand_in() {
        for name in ProviderName::ALL {
            assert_eq!(chosen(&Environment::default().with("PAYMENT_PROVIDER", name.as_str()))[0], name.as_str());
        }
    }

    #[test]
    fn every_stand_in_runs_unless_the_real_service_is_called() {
        let named = |provider| Environment::default().with("PAYMENT_PROVIDER", provider);
        assert_eq!(chosen(&Environment::default()), ["sandbox", "webhook"]);
        assert_eq!(chosen(&named("sandbox")), ["sandbox", "webhook"]);
        assert_eq!(chosen(&named("stripe")), ["stripe", "webhook"]);
        assert_eq!(chosen(&named("stripe").with("STRIPE_API_URL", "https://api.stripe.com")), ["webhook"]);
        assert_eq!(chosen(&named("paystack")), ["paystack", "webhook"]);
        assert_eq!(chosen(&named("paystack").with("PAYSTACK_API_URL", "https://api.paystack.co")), ["webhook"]);
        assert_eq!(chosen(&Environment::default().with("CHANNEL", "sms")), ["sandbox", "webhook"]);
    }

    #[test]
    fn a_provider_that_does_not_exist_is_refused_by_name() {
        for wrong in ["another", "Stripe", " "] {
            let refused = StandIns::choose(&Environment::default().with("PAYMENT_PROVIDER", wrong)).err().unwrap();
            let expected = "the environment variable PAYMENT_PROVIDER";
            assert!(refused.to_string().starts_with(expected), "{refused}");
            assert!(refused.to_string().contains("sandbox or stripe or paystack"), "{refused}");
        }
    }
}
