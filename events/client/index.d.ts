// Made from events/openapi.json by tests/client/run --write.

/**
 * Returns an access token. It is asked at every call, and again, with `renew`, when the API did not accept its token.
 */
export type TokenSource = (options: { renew: boolean }) => string | Promise<string>;

export interface ClientOptions {
  /** The API's address, such as `https://pay.example.com`. */
  baseUrl: string | URL;
  token: TokenSource;
  /** Takes the place of `fetch`. */
  fetch?: typeof fetch;
  /** The time limit of one attempt in milliseconds, by default 32,000: longer than the API's own. */
  timeout?: number;
}

export interface CallOptions {
  /** Aborts the call. The call then fails with the signal's reason. */
  signal?: AbortSignal;
  /** The time limit of one attempt in milliseconds. The time that the token takes is not part of it. */
  timeout?: number;
}

/** The API refused the call. Distinguish problems by `code`. */
export class ProblemError extends Error {
  constructor(status: number, body: Problem | { message: string } | undefined, retryAfter: number | null);
  /** The status of the answer. */
  readonly status: number;
  /** The problem's code. It is `unknown` if the answer cannot be read. */
  readonly code: Problem["code"];
  /** A sentence that can be shown to a person; null if the answer came from a gateway, and not from the API. */
  readonly detail: string | null;
  /** Every invalid field, if the code is `validation_failed`. */
  readonly errors: FieldError[];
  /** The seconds after which a repeat is useful, if the answer says so. */
  readonly retryAfter: number | null;
}

/** The API did not answer. It is unknown whether it carried out the call: `cause` says more. */
export class UnreachableError extends Error {
  constructor(cause: unknown);
}

/** The HTTP API, with a method for each operation. */
export class Client {
  constructor(options: ClientOptions);

  /**
   * Get the address of a connection for live updates.
   *
   * For agents and supervisors. Connect to the address with a WebSocket within 30 seconds: it is good for one
   * connection. Every change of a payment request that the caller may see arrives there as `{ "type": "changed",
   * "request": … }`. Send `{ "type": "ping" }` every five minutes. The connection ends with the token, after two hours
   * at most.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `body_too_large` (413),
   * `unsupported_media_type` (415), `validation_failed` (422), `temporarily_unavailable` (503).
   */
  createLiveTicket(options?: CallOptions): Promise<LiveTicket>;

  /**
   * List payment requests.
   *
   * Newest first. An agent gets only their own. An empty parameter counts as absent.
   *
   * Problems: `malformed_body` (400), `invalid_cursor` (400), `unauthenticated` (401), `forbidden` (403),
   * `validation_failed` (422), `temporarily_unavailable` (503).
   */
  listPaymentRequests(parameters?: ListPaymentRequestsParameters, options?: CallOptions): Promise<PaymentRequestList>;

  /**
   * Create a payment request and send its link.
   *
   * For agents and supervisors, and for services that name the agent.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `body_too_large` (413),
   * `unsupported_media_type` (415), `validation_failed` (422), `idempotency_key_reused` (422), `too_many_requests`
   * (429), `temporarily_unavailable` (503).
   */
  createPaymentRequest(parameters: CreatePaymentRequestParameters, options?: CallOptions): Promise<PaymentRequest>;

  /**
   * Read a payment request.
   *
   * An agent reads their own; supervisors and services read the workspace's.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `not_found` (404),
   * `temporarily_unavailable` (503).
   */
  readPaymentRequest(parameters: ReadPaymentRequestParameters, options?: CallOptions): Promise<PaymentRequest>;

  /**
   * Cancel a payment request.
   *
   * Possible until the customer clicks. The body is empty, or an empty object.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `not_found` (404), `already_clicked`
   * (409), `already_canceled` (409), `link_expired` (409), `already_paid` (409), `body_too_large` (413),
   * `unsupported_media_type` (415), `validation_failed` (422), `temporarily_unavailable` (503).
   */
  cancelPaymentRequest(parameters: CancelPaymentRequestParameters, options?: CallOptions): Promise<PaymentRequest>;

  /**
   * Report the totals of each agent.
   *
   * For supervisors and services. By time of creation. An empty parameter counts as absent.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `validation_failed` (422),
   * `temporarily_unavailable` (503).
   */
  reportAgents(parameters?: ReportAgentsParameters, options?: CallOptions): Promise<Report>;

  /**
   * List the webhook endpoints.
   *
   * For supervisors. At most 20, the newest first.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `validation_failed` (422),
   * `temporarily_unavailable` (503).
   */
  listWebhookEndpoints(options?: CallOptions): Promise<WebhookEndpointList>;

  /**
   * Register a webhook endpoint.
   *
   * For supervisors. The secret is shown this once.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `body_too_large` (413),
   * `unsupported_media_type` (415), `validation_failed` (422), `temporarily_unavailable` (503).
   */
  registerWebhookEndpoint(
    parameters: RegisterWebhookEndpointParameters,
    options?: CallOptions,
  ): Promise<WebhookEndpointWithSecret>;

  /**
   * Remove a webhook endpoint.
   *
   * For supervisors. What is pending there is not sent any more.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `not_found` (404),
   * `temporarily_unavailable` (503).
   */
  removeWebhookEndpoint(parameters: RemoveWebhookEndpointParameters, options?: CallOptions): Promise<void>;

  /**
   * List the deliveries to a webhook endpoint.
   *
   * For supervisors. The events of 30 days, the newest first. An empty parameter counts as absent.
   *
   * Problems: `malformed_body` (400), `invalid_cursor` (400), `unauthenticated` (401), `forbidden` (403), `not_found`
   * (404), `validation_failed` (422), `temporarily_unavailable` (503).
   */
  listWebhookDeliveries(
    parameters: ListWebhookDeliveriesParameters,
    options?: CallOptions,
  ): Promise<WebhookDeliveryList>;

  /**
   * Replay one event, or all since a moment.
   *
   * For supervisors. Whatever became of them, under the same identifiers. An endpoint that was disabled is enabled.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `not_found` (404), `body_too_large`
   * (413), `unsupported_media_type` (415), `validation_failed` (422), `temporarily_unavailable` (503).
   */
  replayWebhooks(parameters: ReplayWebhooksParameters, options?: CallOptions): Promise<void>;

  /**
   * Rotate the secret of a webhook endpoint.
   *
   * For supervisors. For 24 hours both secrets sign. A secret can be replaced three times within that time. The body is
   * empty, or an empty object.
   *
   * Problems: `malformed_body` (400), `unauthenticated` (401), `forbidden` (403), `not_found` (404), `body_too_large`
   * (413), `unsupported_media_type` (415), `validation_failed` (422), `too_many_requests` (429),
   * `temporarily_unavailable` (503).
   */
  rotateWebhookSecret(
    parameters: RotateWebhookSecretParameters,
    options?: CallOptions,
  ): Promise<WebhookEndpointWithSecret>;
}

/** What `listPaymentRequests` takes. */
export interface ListPaymentRequestsParameters {
  /** The agent whose requests are listed. An agent gets only their own. */
  agent?: AgentId;
  /**
   * Only requests that this text finds: by their order number, by the customer's phone number in any form, or by a part
   * of the customer's name. Case and accents do not count.
   */
  q?: string;
  /** Only requests with this status. */
  status?: Status;
  /** Only requests to this phone number. */
  phone?: Phone;
  /** Only requests of this order. */
  order_number?: OrderNumber;
  /** Only requests of this conversation. */
  conversation_id?: ConversationId;
  /** The start of the times of creation, inclusive. */
  from?: TimeOrDate;
  /** Their end, exclusive. It must not be before the start. */
  to?: TimeOrDate;
  /** The largest number of requests on the page. */
  limit?: number;
  /** The `next_cursor` of the page before, with the same filters. */
  cursor?: string;
}

/** What `createPaymentRequest` takes. */
export interface CreatePaymentRequestParameters {
  /** The same key with the same body answers with the same request; with another body it is refused. */
  idempotencyKey?: IdempotencyKey;
  body: NewPaymentRequest;
}

/** What `readPaymentRequest` takes. */
export interface ReadPaymentRequestParameters {
  /** The payment request's identifier. */
  id: PaymentRequestId;
}

/** What `cancelPaymentRequest` takes. */
export interface CancelPaymentRequestParameters {
  /** The payment request's identifier. */
  id: PaymentRequestId;
}

/** What `reportAgents` takes. */
export interface ReportAgentsParameters {
  /** The start of the period, inclusive: at most 92 days before its end, by default seven. */
  from?: TimeOrDate;
  /** The end of the period, exclusive; by default the end of today. */
  to?: TimeOrDate;
  /** What else to report: `clicks`, `days`, or both with a comma between. */
  include?: string;
}

/** What `registerWebhookEndpoint` takes. */
export interface RegisterWebhookEndpointParameters {
  body: NewWebhookEndpoint;
}

/** What `removeWebhookEndpoint` takes. */
export interface RemoveWebhookEndpointParameters {
  /** The endpoint's identifier. */
  id: string;
}

/** What `listWebhookDeliveries` takes. */
export interface ListWebhookDeliveriesParameters {
  /** The endpoint's identifier. */
  id: string;
  /** Only deliveries with this status. */
  status?: DeliveryStatus;
  /** The largest number of deliveries on the page. A page may have fewer, and still a next one. */
  limit?: number;
  /** The `next_cursor` of the page before, with the same filter. */
  cursor?: string;
}

/** What `replayWebhooks` takes. */
export interface ReplayWebhooksParameters {
  /** The endpoint's identifier. */
  id: string;
  body: WebhookReplay;
}

/** What `rotateWebhookSecret` takes. */
export interface RotateWebhookSecretParameters {
  /** The endpoint's identifier. */
  id: string;
}

/** The person or system that changed a request. */
export interface Actor {
  /** Null for an actor without a token. */
  id: AgentId | null;
  type: ActorType;
}

/**
 * The kinds of [`Actor`].
 *
 * - `agent`: An agent or supervisor.
 * - `service`: A program that acts for an agent.
 * - `customer`: The holder of the link.
 * - `provider`: The payment provider.
 * - `system`: chat2pay itself.
 */
export type ActorType = "agent" | "service" | "customer" | "provider" | "system" | (string & {});

/** An agent, with their display name at the time. */
export interface Agent {
  /** The agent's identifier at the identity provider. */
  id: AgentId;
  /** The agent's display name. */
  name: AgentName;
}

/** An agent's or a service's identifier at the identity provider (the `sub` claim). */
export type AgentId = string;

/** An agent's display name. */
export type AgentName = string;

/** One agent's totals. */
export interface AgentTotals {
  agent: Agent;
  /** How many requests were clicked, with `include=clicks`. */
  clicked?: number | null;
  /** How many requests were sent. */
  sent: number;
  /** What is at each status; a status that no request has is absent. */
  statuses: {
    canceled?: Sum;
    clicked?: Sum;
    expired?: Sum;
    paid?: Sum;
    processing?: Sum;
    refund_due?: Sum;
    refunded?: Sum;
    sent?: Sum;
  };
}

/** A whole number of the currency's minor unit, such as cents. It is written without a decimal point. */
export type Amount = number;

/** The chat conversation that the request belongs to. */
export type ConversationId = string;

/** A currency's code (ISO 4217). A stored request may have a currency that is no longer in use. */
export type Currency = string;

/** The person who receives the request. */
export interface Customer {
  /** The customer's name, if the agent gave one. */
  name: CustomerName | null;
  /** The number that messages are sent to. */
  phone: Phone;
}

/** The customer's name. */
export type CustomerName = string;

/** One day's totals. */
export interface DayTotals {
  /** How many requests were clicked, with `include=clicks`. */
  clicked?: number | null;
  /** The day in UTC, as `yyyy-mm-dd`. */
  date: string;
  /** How many requests were sent. */
  sent: number;
  /** What is at each status; a status that no request has is absent. */
  statuses: {
    canceled?: Sum;
    clicked?: Sum;
    expired?: Sum;
    paid?: Sum;
    processing?: Sum;
    refund_due?: Sum;
    refunded?: Sum;
    sent?: Sum;
  };
}

/**
 * The status of a delivery.
 *
 * - `pending`: It is still attempted.
 * - `delivered`: The endpoint has accepted it.
 * - `failed`: It is not attempted any more: 24 hours are over, or the endpoint was disabled.
 */
export type DeliveryStatus = "pending" | "delivered" | "failed" | (string & {});

/** What is being paid for, on one or more lines. */
export type Description = string;

/**
 * The kinds of events, each with its `detail-type` on the bus.
 *
 * - `PaymentRequestStatusChanged`: A status change.
 * - `PaymentAttemptFailed`: A failed attempt to pay.
 * - `PaymentLinkDeliveryFailed`: A link that did not reach the customer.
 * - `ReconciliationDifferenceFound`: A difference between what the provider knows and what is stored here.
 */
export type DetailType =
  | "PaymentRequestStatusChanged"
  | "PaymentAttemptFailed"
  | "PaymentLinkDeliveryFailed"
  | "ReconciliationDifferenceFound"
  | (string & {});

/**
 * The status of an endpoint.
 *
 * - `enabled`: It receives events.
 * - `disabled`: It has failed for five days. It receives nothing until a replay enables it.
 */
export type EndpointStatus = "enabled" | "disabled" | (string & {});

/** The validation error of one field. */
export interface FieldError {
  /** The field's path, such as `customer.phone`. */
  field: string;
  /** The requirement that the value violates, as the end of a sentence that begins with the field's name. */
  message: string;
}

/** One change of a payment request. */
export interface HistoryEntry {
  actor: Actor;
  at: Timestamp;
  reason: Reason | null;
  status: Status;
  /** The entry's position in the history, counted from 1. */
  version: number;
}

/** A key that is used for one create and its retries, so that a retry creates nothing more. */
export type IdempotencyKey = string;

/** The customer's link while it is live. */
export interface Link {
  /** The link's deadline. */
  expires_at: Timestamp;
  /** The address of the customer's page. */
  url: string;
}

/** A ticket: the address of one connection. */
export interface LiveTicket {
  /** The seconds until the address is no longer good. */
  expires_in: number;
  /** The address to connect to, which is good for one connection. */
  url: string;
}

/** Key-value pairs that the integrator attaches. They are returned unchanged and never interpreted. */
export type Metadata = Record<string, string>;

/** The agent for whom a service sends. */
export interface NewAgent {
  id: AgentId;
  name: AgentName;
}

/** The chat conversation that the request belongs to. Empty counts as missing. */
export type NewConversationId = string | null;

/** The code of a currency in circulation (ISO 4217). The payment provider may accept fewer. */
export type NewCurrency =
  | "AED"
  | "AFN"
  | "ALL"
  | "AMD"
  | "AOA"
  | "ARS"
  | "AUD"
  | "AWG"
  | "AZN"
  | "BAM"
  | "BBD"
  | "BDT"
  | "BHD"
  | "BIF"
  | "BMD"
  | "BND"
  | "BOB"
  | "BRL"
  | "BSD"
  | "BTN"
  | "BWP"
  | "BYN"
  | "BZD"
  | "CAD"
  | "CDF"
  | "CHF"
  | "CLP"
  | "CNY"
  | "COP"
  | "CRC"
  | "CUP"
  | "CVE"
  | "CZK"
  | "DJF"
  | "DKK"
  | "DOP"
  | "DZD"
  | "EGP"
  | "ERN"
  | "ETB"
  | "EUR"
  | "FJD"
  | "FKP"
  | "GBP"
  | "GEL"
  | "GHS"
  | "GIP"
  | "GMD"
  | "GNF"
  | "GTQ"
  | "GYD"
  | "HKD"
  | "HNL"
  | "HTG"
  | "HUF"
  | "IDR"
  | "ILS"
  | "INR"
  | "IQD"
  | "IRR"
  | "ISK"
  | "JMD"
  | "JOD"
  | "JPY"
  | "KES"
  | "KGS"
  | "KHR"
  | "KMF"
  | "KPW"
  | "KRW"
  | "KWD"
  | "KYD"
  | "KZT"
  | "LAK"
  | "LBP"
  | "LKR"
  | "LRD"
  | "LSL"
  | "LYD"
  | "MAD"
  | "MDL"
  | "MGA"
  | "MKD"
  | "MMK"
  | "MNT"
  | "MOP"
  | "MRU"
  | "MUR"
  | "MVR"
  | "MWK"
  | "MXN"
  | "MYR"
  | "MZN"
  | "NAD"
  | "NGN"
  | "NIO"
  | "NOK"
  | "NPR"
  | "NZD"
  | "OMR"
  | "PAB"
  | "PEN"
  | "PGK"
  | "PHP"
  | "PKR"
  | "PLN"
  | "PYG"
  | "QAR"
  | "RON"
  | "RSD"
  | "RUB"
  | "RWF"
  | "SAR"
  | "SBD"
  | "SCR"
  | "SDG"
  | "SEK"
  | "SGD"
  | "SHP"
  | "SLE"
  | "SOS"
  | "SRD"
  | "SSP"
  | "STN"
  | "SVC"
  | "SYP"
  | "SZL"
  | "THB"
  | "TJS"
  | "TMT"
  | "TND"
  | "TOP"
  | "TRY"
  | "TTD"
  | "TWD"
  | "TZS"
  | "UAH"
  | "UGX"
  | "USD"
  | "UYU"
  | "UZS"
  | "VED"
  | "VES"
  | "VND"
  | "VUV"
  | "WST"
  | "XAF"
  | "XCD"
  | "XCG"
  | "XOF"
  | "XPF"
  | "YER"
  | "ZAR"
  | "ZMW"
  | "ZWG"
  | (string & {});

/** The person who is to pay. */
export interface NewCustomer {
  email?: NewEmailAddress;
  name?: NewCustomerName;
  phone: NewPhone;
}

/** The customer's name. Empty counts as missing. */
export type NewCustomerName = string | null;

/** What is being paid for. Empty counts as missing. Every line break counts as one character. */
export type NewDescription = string | null;

/**
 * The customer's e-mail address, for a payment provider that wants one. No answer and no event carries it. Empty counts
 * as missing.
 */
export type NewEmailAddress = string | null;

/** Key-value pairs that are returned unchanged and never interpreted. */
export type NewMetadata = Record<string, string> | null;

/** The number of the order being paid: visible characters, with spaces only between them. */
export type NewOrderNumber = string;

/** What a payment request is created from. */
export interface NewPaymentRequest {
  /**
   * The agent for whom a service sends. It is required of a service, and refused from a person, who sends for
   * themselves.
   */
  agent?: NewAgent;
  amount: Amount;
  conversation_id?: NewConversationId;
  currency: NewCurrency;
  customer: NewCustomer;
  description?: NewDescription;
  metadata?: NewMetadata;
  order_number: NewOrderNumber;
}

/**
 * The number that the link is sent to, in international form (E.164). It must be a number that libphonenumber calls
 * valid, and of a country that `ALLOWED_COUNTRIES` allows.
 */
export type NewPhone = string;

/** What a webhook endpoint is registered from. */
export interface NewWebhookEndpoint {
  /** What it is for. Empty counts as missing. */
  description?: string | null;
  /** The kinds of events that are sent there; all of them, those of later releases included, if it is left out. */
  events?: DetailType[] | null;
  /**
   * The address that webhooks are posted to: a public one that begins with `https://`, without a user name, a password
   * or a fragment.
   */
  url: string;
}

/** The number of the order being paid. */
export type OrderNumber = string;

/** Money that the provider reports as arrived or in flight. */
export interface Payment {
  /**
   * The provider's own time at which the customer paid. With a payment method that takes time, this is when the
   * customer did their part: a slow transfer does not make the customer late.
   */
  paid_at: Timestamp;
  /** The name of the provider, such as `sandbox`. */
  provider: string;
  /** The provider's own identifier of the payment. */
  reference: string;
}

/** A payment request. */
export interface PaymentRequest {
  agent: Agent;
  amount: Amount;
  conversation_id: ConversationId | null;
  created_at: Timestamp;
  currency: Currency;
  customer: Customer;
  description: Description | null;
  /** Every change, oldest first. */
  history: HistoryEntry[];
  id: PaymentRequestId;
  /** Null once the request no longer waits for the customer. */
  link: Link | null;
  metadata: Metadata;
  order_number: OrderNumber;
  /** The money that arrived or is on its way; null before that. */
  payment: Payment | null;
  /** Whether the customer may still pay, although the request has expired. Present only when it is true. */
  payment_page_may_be_open?: boolean;
  status: Status;
  updated_at: Timestamp;
  /** The number of entries in the history. */
  version: number;
  workspace: WorkspaceId;
}

/** A payment request's identifier. */
export type PaymentRequestId = string;

/** A page of a list. */
export interface PaymentRequestList {
  /** The payment requests, newest first. */
  items: PaymentRequest[];
  /** The `cursor` of the next page; null on the last page. */
  next_cursor: string | null;
}

/** A phone number in international form (E.164). */
export type Phone = string;

/** The reason why a request failed (RFC 9457). */
export interface Problem {
  /** The code by which programs distinguish problems. */
  code:
    | "malformed_body"
    | "invalid_cursor"
    | "unauthenticated"
    | "forbidden"
    | "not_found"
    | "already_clicked"
    | "already_canceled"
    | "link_expired"
    | "already_paid"
    | "body_too_large"
    | "unsupported_media_type"
    | "validation_failed"
    | "idempotency_key_reused"
    | "too_many_requests"
    | "temporarily_unavailable"
    | (string & {});
  /** A sentence that can be shown to a person. */
  detail: string;
  /** Every invalid field, if the code is `validation_failed`. */
  errors?: FieldError[];
  /** The status of the response. */
  status: number;
  /** A short name of the problem. */
  title: string;
  /** `urn:chat2pay:problem:` and the code. */
  type: string;
}

/** The reason for a change, in a history entry. */
export type Reason = string;

/** Every event since a moment, which is delivered again. */
export interface ReplayOfMany {
  /** The time of the first event, or its date. Not in the future, and not together with `event_id`. */
  since: TimeOrDate;
}

/** One event that is delivered again. */
export interface ReplayOfOne {
  /** The event's identifier, as the log has it. Not together with `since`. */
  event_id: string;
}

/** The totals of a period. */
export interface Report {
  agents: AgentTotals[];
  /** Every day of the period with its totals, with `include=days`. */
  days?: DayTotals[] | null;
  /** The start of the period, inclusive. */
  from: Timestamp;
  /** The end of the period, exclusive. */
  to: Timestamp;
  total: Totals;
}

/** A payment request's status. A later version may add one. */
export type Status =
  | "sent"
  | "clicked"
  | "processing"
  | "paid"
  | "canceled"
  | "expired"
  | "refund_due"
  | "refunded"
  | (string & {});

/** A count with its value. */
export interface Sum {
  /** How many requests. */
  count: number;
  /** The sum of their amounts by currency, in its minor unit. */
  value: Record<string, number>;
}

/** A time (RFC 3339), or a date, which is its midnight in UTC. */
export type TimeOrDate = string;

/** A time (RFC 3339), in UTC with milliseconds. */
export type Timestamp = string;

/** How many requests were sent, and how they stand. */
export interface Totals {
  /** How many requests were clicked, with `include=clicks`. */
  clicked?: number | null;
  /** How many requests were sent. */
  sent: number;
  /** What is at each status; a status that no request has is absent. */
  statuses: {
    canceled?: Sum;
    clicked?: Sum;
    expired?: Sum;
    paid?: Sum;
    processing?: Sum;
    refund_due?: Sum;
    refunded?: Sum;
    sent?: Sum;
  };
}

/** An attempt to deliver an event. */
export interface WebhookAttempt {
  /** When it began, as the header `webhook-timestamp` of the attempt has it. */
  at: Timestamp;
  /** Why there was no answer, as a sentence that can be shown to a person. */
  error: string | null;
  /** The status that the endpoint answered with; null if it did not answer. */
  response_status: number | null;
}

/** The delivery of an event to an endpoint. */
export interface WebhookDelivery {
  /** The latest attempts, the oldest first: at most 20. */
  attempts: WebhookAttempt[];
  /** The event's identifier, which is the `webhook-id` of every attempt. */
  event_id: string;
  /**
   * When it is attempted next; null once it has ended. A time in the past means that it waits for an earlier event of
   * the same payment request.
   */
  next_attempt_at: Timestamp | null;
  /** What has become of it. */
  status: DeliveryStatus;
  /** The kind of the event. */
  type: DetailType;
}

/** A page of an endpoint's log. */
export interface WebhookDeliveryList {
  /** The deliveries, by the time of their events, the newest first. */
  items: WebhookDelivery[];
  /** The `cursor` of the next page; null on the last page. */
  next_cursor: string | null;
}

/** An address that receives status webhooks. */
export interface WebhookEndpoint {
  /** When it was registered. */
  created_at: Timestamp;
  /** What it is for. */
  description: string | null;
  /** The kinds of events that it receives. */
  events: DetailType[];
  /** Its identifier. */
  id: string;
  /** Whether it receives events. It is disabled after it has failed for five days. */
  status: EndpointStatus;
  /** Its address, in the form in which it is called. */
  url: string;
}

/** The addresses of a workspace, the newest first. */
export interface WebhookEndpointList {
  /** The addresses. */
  items: WebhookEndpoint[];
}

/** An address that receives status webhooks, with the secret that is shown this once. */
export interface WebhookEndpointWithSecret {
  /** When it was registered. */
  created_at: Timestamp;
  /** What it is for. */
  description: string | null;
  /** The kinds of events that it receives. */
  events: DetailType[];
  /** Its identifier. */
  id: string;
  /** The secret that signs the webhooks: `whsec_` and the base64 of 32 bytes. */
  secret: string;
  /** Whether it receives events. It is disabled after it has failed for five days. */
  status: EndpointStatus;
  /** Its address, in the form in which it is called. */
  url: string;
}

/** Which events are delivered again: either `event_id` or `since`. */
export type WebhookReplay = ReplayOfOne | ReplayOfMany;

/** The identifier of one company (tenant). */
export type WorkspaceId = string;
