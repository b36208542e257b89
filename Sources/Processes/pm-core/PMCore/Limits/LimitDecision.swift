import PMSystem
import PMWire

/// Whose limit it is.
enum LimitScope: Sendable { case key, global }

/// What is limited besides money.
enum LimitKind: Sendable { case requests, concurrency, tokens }

/// What became of a request at its head, and what the answer's headers say of it.
struct LimitDecision: Equatable, Sendable {
  /// The limit that refused; nil if none did.
  let refusal: LimitKind?
  /// Whose limit refused, or whose the headers of an admitted request show.
  let scope: LimitScope
  let limit: Int
  /// After this request.
  let remaining: Int
  /// When the next place falls free; after a refusal, when the next request would pass.
  let resetUnixSeconds: Int64
  /// Whole seconds until then, at least 1.
  let retryAfterSeconds: Int

  var isAdmitted: Bool { refusal == nil }

  /// What a refused client is told.
  var error: APIError? {
    refusal.map { .exceeded($0, scope).retrying(after: retryAfterSeconds) }
  }
}

extension APIError {
  static func exceeded(_ kind: LimitKind, _ scope: LimitScope) -> APIError {
    switch (kind, scope) {
    case (.requests, .key): .keyLimit
    case (.requests, .global): .globalLimit
    case (.concurrency, .key): .keyConcurrency
    case (.concurrency, .global): .globalConcurrency
    case (.tokens, .key): .keyTokens
    case (.tokens, .global): .globalTokens
    }
  }
}

/// How a token limit stands.
struct TokenStanding: Equatable {
  let limit: Int64
  let remaining: Int64
  /// Whole seconds until all of it is free.
  let resetSeconds: Int
}
