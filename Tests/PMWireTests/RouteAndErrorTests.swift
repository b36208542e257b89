import PMJSON
import PMWire
import Testing

@Suite struct RouteAndErrorTests {
  static let errors: [APIError] = [
    .keyMissing, .keyInvalid, .keyExpired, .keyDisabled, .httpsRequired, .notAllowed,
    .unknownURL, .receiptNotFound, .badQuery,
    .methodNotSupported,
    .unsupportedEndpoint, .upgradeRefused, .addressLimit, .globalLimit, .keyLimit, .vendorLimit,
    .malformedRequest, .headTooLarge, .targetTooLong, .unsupportedCoding, .unsupportedVersion,
    .requestTimeout,
    .requestTooLarge, .badJSON, .modelMissing, .ambiguousBody, .badForm, .formStream, .formFormat,
    .contentType, .tooManyAnswers,
    .modelNotFound, .modelNotPriced, .coreUnavailable, .coreLost, .adminUnavailable, .overloaded,
    .ledgerUnavailable, .vendorStarting, .vendorRestarting, .vendorConnectionLost, .vendorTimeout,
    .vendorUnavailable, .vendorIncompatible, .vendorAttestation, .contextTooLong, .vendorRejected,
    .vendorUnreachable, .vendorBadGateway, .vendorTruncated, .vendorOverloaded, .vendorError,
    .streamTruncated,
    .streamIdle, .modelServerRejected(400), .modelServerRejected(422),
  ]

  @Test func everyErrorIsAnEnvelopeOfItsDialect() throws {
    for error in Self.errors {
      let code = error.code.text
      let openAI = try JSONReader.read(error.body(.openAI, requestID: "r"))
      let inner = try #require(openAI["error"]?.object)
      #expect(openAI.object?.members.count == 1, "\(code)")
      #expect(inner.members.map(\.name) == ["message", "type", "param", "code"], "\(code)")
      #expect(inner["message"]?.string == error.message.text, "\(code)")
      #expect(inner["type"]?.string == error.type.text, "\(code)")
      #expect(inner["param"] == .null)
      #expect(inner["code"] == (code.isEmpty ? .null : .string(code)), "\(code)")

      let anthropic = try JSONReader.read(error.body(.anthropic, requestID: "0190-x"))
      #expect(anthropic["type"] == "error")
      #expect(anthropic["request_id"] == "0190-x")
      #expect(anthropic["error"]?["type"]?.string == error.anthropicType.text, "\(code)")
      #expect(anthropic["error"]?["message"]?.string == error.message.text, "\(code)")
    }
  }

  @Test func statusesAndTypesBelongTogether() {
    let openAI = ["invalid_request_error", "permission_error", "rate_limit_error", "server_error"]
    let anthropic = [
      "invalid_request_error", "authentication_error", "permission_error", "not_found_error",
      "request_too_large", "rate_limit_error", "api_error", "overloaded_error", "timeout_error",
    ]
    for error in Self.errors {
      let code = error.code.text
      #expect((400...599).contains(error.status), "\(code)")
      #expect(openAI.contains(error.type.text), "\(code)")
      #expect(anthropic.contains(error.anthropicType.text), "\(code)")
      #expect((error.status == 429) == (error.type.text == "rate_limit_error"), "\(code)")
      #expect(
        (error.status == 401) == (error.anthropicType.text == "authentication_error"), "\(code)")
      #expect(error.type.text != "server_error" || error.status >= 500, "\(code)")
      #expect(!error.saysNoRetry || error.retryAfterSeconds == nil, "\(code)")
      // SDKs of the OpenAI family show the text as it is.
      #expect(!error.message.text.isEmpty && !error.message.text.hasSuffix("\n"), "\(code)")
    }
  }

  /// The words that scripts of the predecessor's users look for.
  @Test func textsBeginAsThePredecessorsDid() {
    #expect(
      APIError.keyMissing.message.text
        == "Missing API key. Use Authorization: Bearer <key> or X-API-Key header")
    #expect(APIError.keyExpired.message.text.hasPrefix("Invalid or expired API key"))
    #expect(APIError.keyDisabled.message.text.hasPrefix("Invalid or expired API key"))
    #expect(APIError.addressLimit.message.text == "Per-IP rate limit exceeded")
    #expect(APIError.globalLimit.message.text == "Global rate limit exceeded")
    #expect(APIError.vendorTimeout.message.text == "Upstream timeout")
  }

  @Test func theVendorsWordsCannotBreakOut() throws {
    let nasty = "a\"},\"b\":{\u{0}\n\\ \u{2028}😀</script>"
    for dialect in [Dialect.openAI, .anthropic] {
      let text = APIError.vendorRejected.body(dialect, requestID: "r", vendorText: nasty)
      #expect(try JSONReader.read(text)["error"]?["message"]?.string == nasty)
      #expect(!text.utf8.contains(0x0A), "an event's data is one line")
    }
  }

  @Test func aWaitOfItsOwnChangesNothingElse() {
    let error = APIError.keyLimit.retrying(after: 17)
    #expect(error.retryAfterSeconds == 17)
    #expect(APIError.keyLimit.retryAfterSeconds == nil)
    #expect(error.body(.openAI, requestID: "") == APIError.keyLimit.body(.openAI, requestID: ""))
  }

  @Test func routesDifferAndSayWhatTheyTake() {
    let paths = Route.allCases.map(\.path.description)
    #expect(Set(paths).count == paths.count)
    #expect(Set(Route.allCases.map(\.word.description)).count == paths.count)
    for route in Route.allCases {
      #expect(route.methods.description.hasPrefix(route.isPost ? "POST" : "GET"))
      #expect((route.dialect == .anthropic) == (route == .messages))
    }
  }
}
