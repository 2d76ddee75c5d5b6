//! Text messages by AWS End User Messaging
//! (<https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html>).

use super::reports::{ReportedOutcome, Reports};
use super::sender::{Sender, refused};
use crate::aws::client_config;
use crate::http_client::is_failure_to_connect;
use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::config::retry::RetryConfig;
use aws_sdk_pinpointsmsvoicev2::config::timeout::TimeoutConfig;
use aws_sdk_pinpointsmsvoicev2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_pinpointsmsvoicev2::operation::send_text_message::SendTextMessageError;
use aws_sdk_pinpointsmsvoicev2::types::{ConflictExceptionReason, MessageType};
use domain::ports::{Cause, ChannelError, Message};
use domain::{DeliveryFailure, DeliveryReport, Doors};
use runtime::json::{Document, Unreadable};
use runtime::{ConfigError, Environment};
use std::time::Duration;

/// The timeout of one call: below the function's own timeout, with room for the writes around it. It is longer than for
/// other AWS calls, because a lost response cannot be requested again.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The bounds of `TimeToLive`, in seconds: the time that a message may wait for the customer's phone.
const TIME_TO_LIVE: std::ops::RangeInclusive<i32> = 5..=259_200;
/// The key of the request's identifier in a message's context. The reports of a message with a link return it.
const PAYMENT_REQUEST: &str = "payment_request_id";

/// A channel that sends texts from `SMS_ORIGINATION_IDENTITY`. `SMS_CONFIGURATION_SET`, if set, says where they are
/// reported.
#[derive(Debug, Clone)]
pub struct SmsChannel {
    doors: Doors,
    client: Client,
    origination_identity: String,
    configuration_set: Option<String>,
}

impl SmsChannel {
    /// Builds the channel from the environment, with the endpoint `AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2` if that is
    /// set.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let identifier = |name, text: &str| {
            let right = text.len() <= 256 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:/+-".contains(&b));
            if right {
                Ok(text.to_owned())
            } else {
                Err(Environment::invalid(name, "an ARN, an identifier or a number"))
            }
        };
        let configured = crate::aws::SMS.configured(environment)?.is_some();
        let config = client_config!(aws_sdk_pinpointsmsvoicev2, environment, SMS);
        let config = config
            .to_builder()
            // Two attempts could send two messages, so this module decides about retries, not the SDK.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(crate::aws::CONNECT_TIMEOUT)
                    .operation_timeout(CALL_TIMEOUT)
                    .build(),
            )
            .http_client(crate::aws::unpooled_http_client(environment, configured)?);
        Ok(Self {
            doors: environment.doors(),
            client: Client::from_conf(config.build()),
            origination_identity: identifier(
                "SMS_ORIGINATION_IDENTITY",
                environment.require("SMS_ORIGINATION_IDENTITY")?,
            )?,
            configuration_set: environment
                .get("SMS_CONFIGURATION_SET")
                .map(|text| identifier("SMS_CONFIGURATION_SET", text))
                .transpose()?,
        })
    }
}

impl Sender for SmsChannel {
    /// Returns false: `SendTextMessage` accepts no identifier by which a repeat could be recognized.
    fn drops_repeats(&self) -> bool {
        false
    }

    fn doors(&self) -> &Doors {
        &self.doors
    }

    async fn send(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        // Without a time to live, a phone that is switched off could receive a dead link for up to three days.
        let time_to_live = message.deadline().map(|deadline| {
            let seconds = deadline.saturating_duration_since(self.doors.now()).as_secs();
            i32::try_from(seconds).unwrap_or(i32::MAX).clamp(*TIME_TO_LIVE.start(), *TIME_TO_LIVE.end())
        });
        let call = self
            .client
            .send_text_message()
            .destination_phone_number(message.event.customer.phone.as_str())
            .origination_identity(&self.origination_identity)
            .set_configuration_set_name(self.configuration_set.clone())
            .message_body(&message.text)
            .message_type(MessageType::Transactional)
            .set_time_to_live(time_to_live);
        let call = match message.link_of() {
            Some(id) => call.context(PAYMENT_REQUEST, id.to_string()),
            None => call,
        };
        match call.send().await {
            Ok(sent) if sent.message_id().is_some() => Ok(()),
            Ok(_) => Err(ChannelError::Unconfirmed("it answered without a message's identifier".into())),
            Err(error) => Err(outcome(&error)),
        }
    }
}

/// The events about text messages, from the topic of the configuration set
/// (<https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html>).
#[derive(Debug, Clone, Copy)]
pub struct SmsReports;

impl Reports for SmsReports {
    fn come_as_notifications(&self) -> bool {
        true
    }

    fn read_notification(&self, event: &str) -> Result<Option<ReportedOutcome>, Unreadable> {
        let document = Document::new(event.as_bytes());
        let event = document.object()?;
        let id = event.object("context").and_then(|context| context.optional::<String>(PAYMENT_REQUEST));
        let Some(id) = id.and_then(|id| id.parse().ok()) else { return Ok(None) };
        let event_type: Option<String> = event.optional("eventType");
        Ok(match Meaning::of(event_type.as_deref().unwrap_or_default()) {
            // Unless the state is final, the text may still arrive: an unreachable carrier may recover.
            Meaning::Failed(reason) => match event.optional("isFinal") {
                Some(true) => Some(ReportedOutcome::Failed(DeliveryReport { id, reason })),
                Some(false) => None,
                None => Some(ReportedOutcome::unknown("isFinal", None)),
            },
            Meaning::NotFailed => None,
            Meaning::Unknown => Some(ReportedOutcome::unknown("eventType", event_type.as_deref())),
        })
    }
}

/// The meaning of a type of event.
enum Meaning {
    /// The text will not arrive, for this reason, if the event is final.
    Failed(DeliveryFailure),
    /// The text arrived or still may, or the event is not about a text.
    NotFailed,
    /// This version does not know the type.
    Unknown,
}

impl Meaning {
    /// Returns the meaning of a type. A pool with an RCS agent sends a text over RCS where it can. Its failure is final
    /// only if no text message follows; otherwise the event is `RCS_FALLEN_BACK_TO_SMS`.
    ///
    /// The types: <https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-types.html> and
    /// <https://docs.aws.amazon.com/sms-voice/latest/userguide/rcs-events.html>. The table
    /// `tests/template/text-events.json` has all of them, and is held against AWS's model of the service.
    fn of(event_type: &str) -> Self {
        match event_type {
            "TEXT_INVALID" => Self::Failed(DeliveryFailure::InvalidRecipient),
            "TEXT_BLOCKED"
            | "TEXT_CARRIER_BLOCKED"
            | "TEXT_CARRIER_UNREACHABLE"
            | "TEXT_UNREACHABLE"
            | "TEXT_TTL_EXPIRED"
            | "RCS_FAILED"
            | "RCS_TTL_EXPIRED" => Self::Failed(DeliveryFailure::Undelivered),
            "TEXT_INVALID_MESSAGE" | "TEXT_SPAM" | "TEXT_PROTECT_BLOCKED" | "RCS_PROTECT_BLOCKED" => {
                Self::Failed(DeliveryFailure::ChannelRefused)
            }
            // AWS reports after 72 hours that the outcome is unknown. No link lives as long.
            "TEXT_UNKNOWN"
            | "TEXT_SENT"
            | "TEXT_PENDING"
            | "TEXT_QUEUED"
            | "TEXT_SUCCESSFUL"
            | "TEXT_DELIVERED"
            | "RCS_QUEUED"
            | "RCS_SENT"
            | "RCS_DELIVERED"
            | "RCS_READ"
            | "RCS_FALLEN_BACK_TO_SMS" => Self::NotFailed,
            // Nothing is sent as media or by voice.
            other if other.starts_with("MEDIA_") || other.starts_with("VOICE_") => Self::NotFailed,
            _ => Self::Unknown,
        }
    }
}

/// Classifies a failed call by what is certain about its outcome.
fn outcome<R>(error: &SdkError<SendTextMessageError, R>) -> ChannelError {
    match error {
        SdkError::ConstructionFailure(_) => refused("the call could not be built"),
        SdkError::DispatchFailure(failure)
            if failure.as_connector_error().is_some_and(|error| is_failure_to_connect(error)) =>
        {
            ChannelError::Unavailable("no connection".into())
        }
        SdkError::ServiceError(context) => of_service(context.err()),
        _ => ChannelError::Unconfirmed("there was no answer in time, or an invalid one".into()),
    }
}

/// Classifies the service's own errors. Only their codes are kept, because their texts may repeat the phone number.
fn of_service(error: &SendTextMessageError) -> ChannelError {
    let because =
        |reason: DeliveryFailure, detail: &str| ChannelError::Refused { reason, cause: described(error, detail) };
    match error {
        SendTextMessageError::ThrottlingException(_) => ChannelError::Unavailable(described(error, "")),
        SendTextMessageError::ConflictException(conflict) => {
            let reason = match conflict.reason() {
                Some(ConflictExceptionReason::DestinationPhoneNumberOptedOut) => DeliveryFailure::RecipientOptedOut,
                _ => DeliveryFailure::ChannelRefused,
            };
            because(reason, conflict.reason().map_or("", ConflictExceptionReason::as_str))
        }
        SendTextMessageError::ValidationException(invalid) => {
            let of_phone = invalid.fields().iter().any(|field| field.name() == "DestinationPhoneNumber");
            let reason = if of_phone { DeliveryFailure::InvalidRecipient } else { DeliveryFailure::ChannelRefused };
            because(reason, invalid.reason().map_or("", |reason| reason.as_str()))
        }
        SendTextMessageError::AccessDeniedException(denied) => {
            because(DeliveryFailure::ChannelRefused, denied.reason().map_or("", |reason| reason.as_str()))
        }
        SendTextMessageError::ServiceQuotaExceededException(exceeded) => {
            because(DeliveryFailure::ChannelRefused, exceeded.reason().map_or("", |reason| reason.as_str()))
        }
        SendTextMessageError::ResourceNotFoundException(_) => because(DeliveryFailure::ChannelRefused, ""),
        // The errors that all AWS services share are about the caller and its signature, and come before any work
        // (https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/CommonErrors.html). The exceptions are
        // service failures and a response that has no error code.
        other => match other.code() {
            Some("ThrottlingException" | "Throttling" | "RequestThrottled") => {
                ChannelError::Unavailable(described(error, ""))
            }
            Some(
                "AccessDeniedException"
                | "ExpiredTokenException"
                | "IncompleteSignature"
                | "IncompleteSignatureException"
                | "InvalidSignatureException"
                | "MissingAuthenticationTokenException"
                | "NotAuthorized"
                | "OptInRequired"
                | "RequestExpired"
                | "UnrecognizedClientException",
            ) => because(DeliveryFailure::ChannelRefused, ""),
            _ => ChannelError::Unconfirmed(described(error, "")),
        },
    }
}

fn described(error: &SendTextMessageError, detail: &str) -> Cause {
    format!("{} {detail}", error.code().unwrap_or("an error without a code")).trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::super::sender::tests::meaning;
    use super::*;
    use aws_sdk_pinpointsmsvoicev2::error::ErrorMetadata;
    use aws_sdk_pinpointsmsvoicev2::types::error::{
        AccessDeniedException, ConflictException, InternalServerException, ResourceNotFoundException,
        ServiceQuotaExceededException, ThrottlingException, ValidationException,
    };
    use aws_sdk_pinpointsmsvoicev2::types::{
        ServiceQuotaExceededExceptionReason, ValidationExceptionField, ValidationExceptionReason,
    };

    fn said(error: &SendTextMessageError) -> &'static str {
        meaning(Err(of_service(error)))
    }

    const TEXT: &str = "wrong with +27831234567";

    #[test]
    fn each_documented_error_is_mapped_and_none_shows_the_phone_number() {
        use ConflictExceptionReason as Conflict;
        use SendTextMessageError as Error;
        for (reason, meaning) in [
            (Conflict::DestinationPhoneNumberOptedOut, "recipient_opted_out"),
            (Conflict::DestinationPhoneNumberNotVerified, "channel_refused"),
            (Conflict::from("NEW_REASON"), "channel_refused"),
        ] {
            let conflict = ConflictException::builder().reason(reason).message(TEXT).build();
            assert_eq!(said(&Error::ConflictException(conflict)), meaning);
        }
        for (field, meaning) in [("DestinationPhoneNumber", "invalid_recipient"), ("MessageBody", "channel_refused")] {
            let field = ValidationExceptionField::builder().name(field).message(TEXT).build().unwrap();
            let reason = ValidationExceptionReason::FieldValidationFailed;
            let invalid = ValidationException::builder().reason(reason).fields(field).message(TEXT).build();
            assert_eq!(said(&Error::ValidationException(invalid)), meaning);
        }
        let reason = ServiceQuotaExceededExceptionReason::MonthlySpendLimitReachedForText;
        let quota = ServiceQuotaExceededException::builder().reason(reason).message(TEXT).build();
        assert_eq!(said(&Error::ServiceQuotaExceededException(quota)), "channel_refused");
        let denied = AccessDeniedException::builder().message(TEXT).build();
        assert_eq!(said(&Error::AccessDeniedException(denied)), "channel_refused");
        let unknown = ResourceNotFoundException::builder().message(TEXT).build();
        assert_eq!(said(&Error::ResourceNotFoundException(unknown)), "channel_refused");
        assert_eq!(said(&Error::ThrottlingException(ThrottlingException::builder().message(TEXT).build())), "again");
        let internal = InternalServerException::builder().message(TEXT).build();
        assert_eq!(said(&Error::InternalServerException(internal)), "unknown");
        for (code, meaning) in [
            ("ExpiredTokenException", "channel_refused"),
            ("ServiceUnavailable", "unknown"),
            ("SomethingNew", "unknown"),
        ] {
            assert_eq!(said(&Error::generic(ErrorMetadata::builder().code(code).message(TEXT).build())), meaning);
        }
        assert_eq!(said(&Error::generic(ErrorMetadata::builder().message(TEXT).build())), "unknown");
    }
}
