// The types of the API's requests and answers, for the type checker only. This file is not served.

export interface Actor {
  type: string;
  id: string | null;
}

export interface HistoryEntry {
  version: number;
  status: string;
  at: string;
  actor: Actor;
  reason: string | null;
}

export interface Payment {
  provider: string;
  reference: string;
  paid_at: string;
}

export interface PaymentRequest {
  id: string;
  /** A newer API may return a status that this version of the pages does not know. */
  status: string;
  version: number;
  workspace: string;
  agent: { id: string; name: string };
  order_number: string;
  amount: number;
  currency: string;
  customer: { phone: string; name?: string | null };
  description: string | null;
  conversation_id: string | null;
  metadata: Record<string, string>;
  /** Present while the request has a deadline ahead. */
  link: { url: string; expires_at: string } | null;
  created_at: string;
  updated_at: string;
  /** Every change, oldest first. */
  history: HistoryEntry[];
  payment: Payment | null;
  /** Whether the customer may still pay, although the request has expired. Absent if not. */
  payment_page_may_be_open?: true;
}

/** The body of `POST /payment-requests`. */
export interface NewPaymentRequest {
  order_number: string;
  amount: number | null;
  currency: string;
  customer: { phone: string; name?: string | null };
  description?: string | null;
  conversation_id?: string | null;
  metadata?: Record<string, string>;
}

export interface Page {
  items: PaymentRequest[];
  next_cursor: string | null;
}

/** The counts and amounts of the requests sent, by their current status. */
export interface Tally {
  sent: number;
  clicked: number;
  statuses: Record<string, { count: number; value: Record<string, number> }>;
}

export interface Report {
  agents: ({ agent: { id: string; name: string } } & Tally)[];
  days: ({ date: string } & Tally)[];
  total: Tally;
}

/** The body of an error response (RFC 9457). */
export interface ProblemBody {
  detail?: string;
  code?: string;
  errors?: { field: string; message: string }[];
}
