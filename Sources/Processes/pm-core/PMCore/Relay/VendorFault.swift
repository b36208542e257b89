import PMHTTP
import PMSystem
import PMWire

/// Situations at the vendor, each with one answer to our client.
struct VendorFault {
  let error: APIError
  /// Counts towards the state `failing`.
  var isFailure = false
  /// The vendor refuses our own key.
  var isKeyRejected = false
  /// The vendor's own limit: nothing new for a while, and for how long if it says so.
  var isThrottled = false
  var retryAfterSeconds: Int?

  private init(
    _ error: APIError, isFailure: Bool = false, isKeyRejected: Bool = false,
    isThrottled: Bool = false, retryAfterSeconds: Int? = nil
  ) {
    self.error = error
    self.isFailure = isFailure
    self.isKeyRejected = isKeyRejected
    self.isThrottled = isThrottled
    self.retryAfterSeconds = retryAfterSeconds
  }

  /// What an answer that is not 200 means. `isGateway`: the text is the gateway's or the proxy's
  /// own and never leaves; otherwise it is the model server's, decrypted.
  init(
    status: Int, isGateway: Bool, body: borrowing ByteBuffer, isJSON: Bool, retryAfterSeconds: Int?
  ) {
    switch status {
    case 401: self.init(.vendorUnavailable, isKeyRejected: true)
    case 402 where isGateway, 403 where isGateway:
      self.init(.vendorUnavailable, isKeyRejected: true)
    case 429:
      self.init(.vendorLimit, isThrottled: true, retryAfterSeconds: retryAfterSeconds)
    case 404 where !isJSON: self.init(.vendorIncompatible)
    case 404 where !isGateway: self.init(.modelNotFound)
    case 413: self.init(.requestTooLarge)
    case 500 where isGateway: self.init(proxyText: body.span)
    case 503 where isGateway:
      self.init(.vendorOverloaded, isThrottled: true, retryAfterSeconds: retryAfterSeconds)
    case 504 where isGateway: self.init(.vendorTimeout)
    case 400 where !isGateway, 422 where !isGateway: self.init(.modelServerRejected(status))
    case 400..<500: self.init(.vendorRejected)
    default: self.init(.vendorError)
    }
  }

  /// The proxy's own 500s, told apart by how their text begins.
  private init(proxyText text: borrowing Span<UInt8>) {
    func says(_ words: StaticString) -> Bool { text.firstOffset(of: words) != nil }
    if says(#""message":"creating request cipher: "#)
      || says(#""message":"GPU attestation returned"#)
    {
      self.init(.vendorAttestation, isFailure: true)
    } else if says("context too large") {
      self.init(.contextTooLong)
    } else if says(#""message":"forwarding request: mutating request: "#) {
      self.init(.vendorRejected)
    } else if says(#""message":"forwarding request: Post "#) {
      self.init(.vendorUnreachable, isFailure: true)
    } else if says(#""message":"mapping response: "#) {
      self.init(says("invalid JSON data") ? .vendorBadGateway : .vendorTruncated)
    } else {
      self.init(.vendorError)
    }
  }

  /// True where the model server's own words go to whoever asked: they speak of that request.
  static func passesText(status: Int, isGateway: Bool, isJSON: Bool) -> Bool {
    !isGateway && isJSON && (status == 400 || status == 422 || status == 404)
  }
}
