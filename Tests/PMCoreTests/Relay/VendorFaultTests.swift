import PMSystem
import PMWire
import Testing

@testable import PMCore

// tidy:allow long-line: a row of the table is one line
/// One row for each situation at the vendor.
@Suite struct VendorFaultTests {
  struct Situation: Sendable {
    var status: Int
    var isGateway = true
    var text = ""
    var isJSON = true
    var retryAfter: Int?
    var error: APIError
    /// Failure, rejected key, throttled.
    var marks = (false, false, false)
  }

  private static func proxy(_ text: String) -> String {
    #"{"error":{"message":"\#(text)","type":""}}"#
  }
  private static let failing = (true, false, false)
  private static let rejecting = (false, true, false)
  private static let throttling = (false, false, true)

  static let table: [Situation] = [
    // Our key.
    .init(
      status: 401, text: proxy("invalid API key: x"), error: .vendorUnavailable, marks: rejecting),
    .init(status: 401, isGateway: false, error: .vendorUnavailable, marks: rejecting),
    .init(
      status: 401, text: "trying API key: setting secrets: x", isJSON: false,
      error: .vendorUnavailable, marks: rejecting),
    .init(status: 402, error: .vendorUnavailable, marks: rejecting),
    .init(status: 403, error: .vendorUnavailable, marks: rejecting),
    .init(status: 402, isGateway: false, error: .vendorRejected),
    .init(status: 403, isGateway: false, error: .vendorRejected),
    // Limits.
    .init(status: 429, error: .vendorLimit, marks: throttling),
    .init(
      status: 429, isGateway: false, retryAfter: 17, error: .vendorLimit, marks: throttling),
    .init(status: 503, error: .vendorOverloaded, marks: throttling),
    .init(status: 503, retryAfter: 9, error: .vendorOverloaded, marks: throttling),
    .init(status: 503, isGateway: false, error: .vendorError),
    // Unknown.
    .init(status: 404, text: "404 page not found", isJSON: false, error: .vendorIncompatible),
    .init(status: 404, isGateway: false, isJSON: false, error: .vendorIncompatible),
    .init(status: 404, isGateway: false, error: .modelNotFound),
    .init(status: 404, error: .vendorRejected),
    // The model server's refusals.
    .init(status: 400, isGateway: false, error: .modelServerRejected(400)),
    .init(status: 422, isGateway: false, error: .modelServerRejected(422)),
    .init(status: 409, isGateway: false, error: .vendorRejected),
    .init(status: 400, error: .vendorRejected), .init(status: 422, error: .vendorRejected),
    .init(status: 418, error: .vendorRejected),
    .init(
      status: 413, text: proxy("maximum request size exceeded (max 50MB)"), error: .requestTooLarge),
    .init(status: 413, isGateway: false, error: .requestTooLarge),
    // The proxy's own 500s.
    .init(
      status: 500,
      text: proxy(
        "creating request cipher: initializing renewable request cipher: get latest secret: setting secrets: x"
      ),
      error: .vendorAttestation, marks: failing),
    .init(
      status: 500,
      text: proxy(
        "GPU attestation returned a driver OCSP status that is not accepted by the client: x"),
      error: .vendorAttestation, marks: failing),
    .init(
      status: 500, text: proxy("forwarding request: mutating request: context too large"),
      error: .contextTooLong),
    .init(
      status: 500,
      text: proxy("forwarding request: mutating request: mutating request: extracting model: x"),
      error: .vendorRejected),
    .init(
      status: 500, text: proxy(#"forwarding request: Post \"https://x\": EOF"#),
      error: .vendorUnreachable, marks: failing),
    .init(
      status: 500,
      text: proxy(
        "mapping response: mutating response body: mutation on invalid JSON data: invalid JSON data"
      ),
      error: .vendorBadGateway),
    .init(
      status: 500, text: proxy("mapping response: reading upstream response body: unexpected EOF"),
      error: .vendorTruncated),
    .init(status: 500, text: proxy("something new"), error: .vendorError),
    .init(status: 500, text: "", error: .vendorError),
    // The same words from the model server are only words.
    .init(
      status: 500, isGateway: false, text: proxy("creating request cipher: x"), error: .vendorError),
    // The rest.
    .init(status: 504, error: .vendorTimeout),
    .init(status: 504, isGateway: false, error: .vendorError),
    .init(status: 502, error: .vendorError),
    .init(status: 501, isGateway: false, error: .vendorError),
    .init(status: 301, error: .vendorError),
    .init(status: 307, isGateway: false, error: .vendorError),
    .init(status: 204, error: .vendorError), .init(status: 599, error: .vendorError),
  ]

  @Test(arguments: table)
  func everySituationHasItsAnswer(_ row: Situation) {
    var body = ByteBuffer()
    body.append(row.text)
    let fault = VendorFault(
      status: row.status, isGateway: row.isGateway, body: body, isJSON: row.isJSON,
      retryAfterSeconds: row.retryAfter)
    #expect(fault.error == row.error)
    #expect(fault.isFailure == row.marks.0)
    #expect(fault.isKeyRejected == row.marks.1)
    #expect(fault.isThrottled == row.marks.2)
  }

  /// A fault of our key is never the client's, and is not worth trying again.
  @Test func statusesAreThoseOfTheTable() {
    let wanted: [(APIError, Int, String, Int?)] = [
      (.vendorStarting, 503, "overloaded_error", 5),
      (.vendorRestarting, 503, "overloaded_error", 10),
      (.vendorConnectionLost, 502, "api_error", 5), (.vendorTimeout, 504, "timeout_error", nil),
      (.vendorUnavailable, 503, "api_error", nil), (.vendorIncompatible, 502, "api_error", nil),
      (.modelNotFound, 404, "not_found_error", nil),
      (.requestTooLarge, 413, "request_too_large", nil),
      (.vendorAttestation, 503, "overloaded_error", 10),
      (.contextTooLong, 400, "invalid_request_error", nil),
      (.vendorRejected, 400, "invalid_request_error", nil),
      (.vendorUnreachable, 502, "api_error", 5),
      (.vendorBadGateway, 502, "api_error", 5), (.vendorTruncated, 502, "api_error", nil),
      (.vendorError, 502, "api_error", nil), (.streamTruncated, 502, "api_error", nil),
    ]
    for (error, status, type, retryAfter) in wanted {
      #expect(error.status == status, "\(error.code.text)")
      #expect(error.anthropicType.text == type, "\(error.code.text)")
      #expect(error.retryAfterSeconds == retryAfter, "\(error.code.text)")
    }
    #expect(APIError.vendorUnavailable.saysNoRetry)
  }

  @Test func onlyTheModelServersOwnWordsPass() {
    for status in [400, 404, 422] {
      #expect(VendorFault.passesText(status: status, isGateway: false, isJSON: true))
      #expect(!VendorFault.passesText(status: status, isGateway: true, isJSON: true))
      #expect(!VendorFault.passesText(status: status, isGateway: false, isJSON: false))
    }
    for status in [200, 401, 402, 403, 413, 429, 500, 502, 503] {
      #expect(!VendorFault.passesText(status: status, isGateway: false, isJSON: true))
    }
  }
}
