internal import PMJSON

/// An error as clients see it: status, type and code of the OpenAI family, type of the Anthropic
/// family, and a constant text. The texts of the first group begin as the predecessor's did.
public struct APIError: Equatable, Sendable {
  public let status: Int
  public let type: StaticName
  /// Empty for `null`.
  public let code: StaticName
  public let anthropicType: StaticName
  public let message: StaticName
  /// Seconds after which trying again makes sense; nil if time does not cure it.
  public var retryAfterSeconds: Int?
  /// SDKs retry every 5xx; true tells them not to.
  public var saysNoRetry = false

  public init(
    _ status: Int, _ type: StaticName, _ code: StaticName, _ anthropicType: StaticName,
    _ message: StaticName, retryAfterSeconds: Int? = nil, saysNoRetry: Bool = false
  ) {
    self.status = status
    self.type = type
    self.code = code
    self.anthropicType = anthropicType
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
    self.saysNoRetry = saysNoRetry
  }

  public func retrying(after seconds: Int) -> APIError {
    var copy = self
    copy.retryAfterSeconds = seconds
    return copy
  }

  /// The envelope of the dialect. `vendorText` are the model server's words to whoever asked, and
  /// replace ours; nothing else in it comes from outside.
  public func body(_ dialect: Dialect, requestID: String, vendorText: String? = nil) -> String {
    let message = vendorText.map { JSONValue.string($0).text } ?? "\"\(self.message.text)\""
    switch dialect {
    case .openAI:
      let code = self.code.text.isEmpty ? "null" : "\"\(self.code.text)\""
      return
        #"{"error":{"message":\#(message),"type":"\#(type.text)","param":null,"code":\#(code)}}"#
    case .anthropic:
      let error = #"{"type":"\#(anthropicType.text)","message":\#(message)}"#
      return #"{"type":"error","error":\#(error),"request_id":"\#(requestID)"}"#
    }
  }
}

extension APIError {
  // The door
  public static let keyMissing = APIError(
    401, "invalid_request_error", "invalid_api_key", "authentication_error",
    "Missing API key. Use Authorization: Bearer <key> or X-API-Key header")
  public static let keyInvalid = APIError(
    401, "invalid_request_error", "invalid_api_key", "authentication_error",
    "Invalid or expired API key")
  public static let keyExpired = APIError(
    401, "invalid_request_error", "invalid_api_key", "authentication_error",
    "Invalid or expired API key: this key has expired")
  public static let keyDisabled = APIError(
    401, "invalid_request_error", "invalid_api_key", "authentication_error",
    "Invalid or expired API key: this key is revoked")
  public static let httpsRequired = APIError(
    403, "permission_error", "https_required", "permission_error",
    "HTTPS required. Please use a secure connection.")
  public static let notAllowed = APIError(
    403, "permission_error", "not_allowed", "permission_error",
    "This key may not be used for this endpoint, or not from this address")
  public static let unknownURL = APIError(
    404, "invalid_request_error", "unknown_url", "not_found_error",
    "Unknown request URL. The base URL of this API ends in /v1")
  public static let requestIDMalformed = APIError(
    400, "invalid_request_error", "invalid_request_id", "invalid_request_error",
    "A receipt is asked for by the x-request-id of an answer")
  public static let receiptNotReady = APIError(
    409, "invalid_request_error", "receipt_not_ready", "invalid_request_error",
    "The request has not ended yet", retryAfterSeconds: 1)
  public static let receiptNotFound = APIError(
    404, "invalid_request_error", "receipt_not_found", "not_found_error",
    "There is no receipt of this key for that request")
  public static let badQuery = APIError(
    400, "invalid_request_error", "invalid_query", "invalid_request_error",
    "The query is not one that this URL takes")
  public static let methodNotSupported = APIError(
    405, "invalid_request_error", "method_not_supported", "not_found_error",
    "This URL does not support that method")
  public static let unsupportedEndpoint = APIError(
    501, "invalid_request_error", "unsupported_endpoint", "invalid_request_error",
    "This endpoint is not offered here", saysNoRetry: true)
  public static let upgradeRefused = APIError(
    400, "invalid_request_error", "", "invalid_request_error",
    "Protocol upgrades are not supported")

  // Limits
  public static let addressLimit = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "Per-IP rate limit exceeded")
  public static let globalLimit = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "Global rate limit exceeded")
  public static let keyLimit = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "Per-key rate limit exceeded")
  public static let keyConcurrency = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "Per-key limit of concurrent requests exceeded")
  public static let globalConcurrency = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "Global limit of concurrent requests exceeded")
  public static let keyTokens = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "Per-key limit of tokens per minute exceeded")
  public static let globalTokens = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "Global limit of tokens per minute exceeded")
  public static let keyBudget = APIError(
    429, "insufficient_quota", "insufficient_quota", "rate_limit_error",
    "The budget of this key is spent", saysNoRetry: true)
  public static let globalBudget = APIError(
    429, "insufficient_quota", "insufficient_quota", "rate_limit_error",
    "The budget of this appliance is spent", saysNoRetry: true)
  public static let budgetReached = APIError(
    429, "insufficient_quota", "insufficient_quota", "rate_limit_error",
    "The answer ends here, because the budget is spent", saysNoRetry: true)
  public static let vendorShare = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "All keys together have used their share of the vendor's limits")
  public static let vendorLimit = APIError(
    429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error",
    "The vendor's rate limit is exceeded")

  // The message
  public static let malformedRequest = APIError(
    400, "invalid_request_error", "malformed_request", "invalid_request_error",
    "The request is not valid HTTP/1.1")
  public static let headTooLarge = APIError(
    431, "invalid_request_error", "headers_too_large", "invalid_request_error",
    "The request head is too large")
  public static let targetTooLong = APIError(
    414, "invalid_request_error", "uri_too_long", "invalid_request_error",
    "The request target is too long")
  public static let unsupportedCoding = APIError(
    501, "invalid_request_error", "unsupported_transfer_coding", "invalid_request_error",
    "Only the transfer coding chunked is supported", saysNoRetry: true)
  public static let unsupportedVersion = APIError(
    505, "invalid_request_error", "unsupported_http_version", "invalid_request_error",
    "Only HTTP/1.1 and HTTP/1.0 are supported", saysNoRetry: true)
  public static let requestTimeout = APIError(
    408, "invalid_request_error", "request_timeout", "invalid_request_error",
    "The request did not arrive in time")
  public static let requestTooLarge = APIError(
    413, "invalid_request_error", "request_too_large", "request_too_large",
    "The request body is larger than this endpoint takes")
  public static let badJSON = APIError(
    400, "invalid_request_error", "invalid_json", "invalid_request_error",
    "The request body is not a valid JSON object")
  public static let modelMissing = APIError(
    400, "invalid_request_error", "model_required", "invalid_request_error",
    "The request body has no valid model")
  public static let ambiguousBody = APIError(
    400, "invalid_request_error", "ambiguous_body", "invalid_request_error",
    "A member of the request body is repeated or has an ambiguous name")
  public static let tooManyAnswers = APIError(
    400, "invalid_request_error", "too_many_answers", "invalid_request_error",
    "A key with a budget may ask for 128 answers to each of 1024 prompts")
  public static let badForm = APIError(
    400, "invalid_request_error", "invalid_form", "invalid_request_error",
    "The multipart form needs exactly one model and one file")
  public static let formStream = APIError(
    400, "invalid_request_error", "unsupported_value", "invalid_request_error",
    "Streamed transcriptions are not supported")
  public static let formFormat = APIError(
    400, "invalid_request_error", "unsupported_value", "invalid_request_error",
    "response_format must be json or verbose_json")
  public static let contentType = APIError(
    400, "invalid_request_error", "unsupported_content_type", "invalid_request_error",
    "The Content-Type does not fit this endpoint")
  public static let modelNotFound = APIError(
    404, "invalid_request_error", "model_not_found", "not_found_error",
    "The model does not exist or this key may not use it")
  public static let modelNotPriced = APIError(
    403, "permission_error", "model_not_priced", "permission_error",
    "The model has no price, and this key has a money limit")

  // This appliance
  public static let coreUnavailable = APIError(
    503, "server_error", "core_unavailable", "overloaded_error",
    "The appliance is restarting", retryAfterSeconds: 1)
  public static let coreLost = APIError(
    502, "server_error", "core_connection_lost", "api_error",
    "Proxy error: the request was interrupted inside the appliance", retryAfterSeconds: 1)
  public static let adminUnavailable = APIError(
    503, "server_error", "admin_unavailable", "overloaded_error",
    "The admin pages are restarting", retryAfterSeconds: 1)
  public static let overloaded = APIError(
    503, "server_error", "overloaded", "overloaded_error",
    "The appliance is at its limit of requests in flight", retryAfterSeconds: 1)
  public static let ledgerUnavailable = APIError(
    503, "server_error", "ledger_unavailable", "overloaded_error",
    "The ledger cannot be written, so nothing is served", retryAfterSeconds: 5)

  public static let nonceMalformed = APIError(
    400, "invalid_request_error", "invalid_nonce", "invalid_request_error",
    "The query must be nonce= and 64 lower-case hexadecimal digits, not all of them 0")
  public static let evidenceBusy = APIError(
    429, "rate_limit_error", "evidence_busy", "rate_limit_error",
    "Evidence is asked for faster than it is made", retryAfterSeconds: 1)
  public static let evidenceUnavailable = APIError(
    503, "server_error", "evidence_unavailable", "overloaded_error",
    "There is no evidence now", retryAfterSeconds: 5)

  // The vendor
  public static let vendorStarting = APIError(
    503, "server_error", "vendor_starting", "overloaded_error",
    "The vendor's proxy is starting", retryAfterSeconds: 5)
  public static let vendorRestarting = APIError(
    503, "server_error", "vendor_restarting", "overloaded_error",
    "The vendor's proxy is restarting", retryAfterSeconds: 10)
  public static let vendorConnectionLost = APIError(
    502, "server_error", "vendor_connection_lost", "api_error",
    "Proxy error: the connection to the vendor's proxy was lost", retryAfterSeconds: 5)
  public static let vendorTimeout = APIError(
    504, "server_error", "vendor_timeout", "timeout_error", "Upstream timeout")
  public static let vendorUnavailable = APIError(
    503, "server_error", "vendor_unavailable", "api_error",
    "The vendor refused this appliance's own key", saysNoRetry: true)
  public static let vendorIncompatible = APIError(
    502, "server_error", "vendor_incompatible", "api_error",
    "Proxy error: the vendor's proxy does not know this endpoint")
  public static let vendorAttestation = APIError(
    503, "server_error", "vendor_attestation", "overloaded_error",
    "The vendor's attestation could not be renewed", retryAfterSeconds: 10)
  public static let contextTooLong = APIError(
    400, "invalid_request_error", "context_length_exceeded", "invalid_request_error",
    "The input is longer than the model's context")
  public static let vendorRejected = APIError(
    400, "invalid_request_error", "vendor_rejected", "invalid_request_error",
    "The vendor rejected the request")
  /// The model server's own 400 or 422; its words replace ours.
  public static func modelServerRejected(_ status: Int) -> APIError {
    APIError(
      status, "invalid_request_error", "", "invalid_request_error",
      "The model rejected the request")
  }
  public static let vendorUnreachable = APIError(
    502, "server_error", "vendor_unreachable", "api_error",
    "Proxy error: the vendor cannot be reached", retryAfterSeconds: 5)
  public static let vendorBadGateway = APIError(
    502, "server_error", "vendor_bad_gateway", "api_error",
    "Proxy error: the vendor's gateway gave no valid answer", retryAfterSeconds: 5)
  public static let vendorTruncated = APIError(
    502, "server_error", "vendor_response_truncated", "api_error",
    "Proxy error: the vendor's answer broke off")
  public static let vendorOverloaded = APIError(
    503, "server_error", "vendor_overloaded", "overloaded_error",
    "The vendor is overloaded")
  public static let vendorError = APIError(
    502, "server_error", "vendor_error", "api_error",
    "Proxy error: the vendor answered with an error")
  public static let streamTruncated = APIError(
    502, "server_error", "vendor_stream_truncated", "api_error",
    "The vendor's stream broke off")
  public static let streamIdle = APIError(
    504, "server_error", "vendor_stream_idle", "api_error",
    "The vendor's stream was silent for too long")
}
