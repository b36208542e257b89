internal import PMLog

/// What the vendor's program writes: read always, compared with a closed table, counted, never
/// passed on. Some of its lines hold prompts.
struct VendorOutput {
  /// What a line means to us.
  enum Meaning: Equatable {
    /// Worth an event of our own.
    case event(StaticWord)
    case lostRefresh
    case counted
  }

  /// Why it ended, guessed from its last error.
  enum Fault: CaseIterable {
    case badKey, manifestMismatch, tooOld, attestation, portInUse, network

    var word: StaticWord {
      switch self {
      case .badKey: "bad-key"
      case .manifestMismatch: "manifest-mismatch"
      case .tooOld: "binary-too-old"
      case .attestation: "attestation"
      case .portInUse: "port-in-use"
      case .network: "network"
      }
    }

    /// Neither a key nor a roll-out heals within seconds, and each attempt writes files.
    var isSlowToHeal: Bool { self == .badKey || self == .manifestMismatch }
  }

  private(set) var lineCount = 0
  /// Lines that are in no table.
  private(set) var unknownCount = 0
  private(set) var fault: Fault?
  private var line: [UInt8] = []

  /// Takes bytes and gives the meanings of the lines that became complete.
  mutating func take(_ bytes: [UInt8]) -> [Meaning] {
    var meanings: [Meaning] = []
    for byte in bytes {
      if byte != 0x0A {
        if line.count < RuntimeLimits.vendorLineBytesMax { line.append(byte) }
        continue
      }
      meanings.append(judge(String(decoding: line, as: UTF8.self)))
      line.removeAll(keepingCapacity: true)
    }
    return meanings
  }

  private mutating func judge(_ text: String) -> Meaning {
    lineCount += 1
    if text.hasPrefix("Error: ") {
      fault = Self.classify(text) ?? fault
      return .counted
    }
    guard let message = Self.message(of: text) else {
      unknownCount += 1
      return .counted
    }
    for (known, meaning) in Self.table where message == known { return meaning }
    if !Self.counted.contains(message) { unknownCount += 1 }
    return .counted
  }

  /// The value of the first `"msg":"…"`. Inside other values the quotes would be escaped.
  private static func message(of line: String) -> String? {
    let mark = Array("\"msg\":\"".utf8)
    let bytes = Array(line.utf8)
    guard bytes.count > mark.count else { return nil }
    for start in 0..<bytes.count - mark.count
    where bytes[start] == mark[0] && bytes[start..<start + mark.count].elementsEqual(mark) {
      let rest = bytes[(start + mark.count)...]
      guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
      return String(decoding: rest[..<end], as: UTF8.self)
    }
    return nil
  }

  private static let table: [(String, Meaning)] = [
    ("Privatemode encryption proxy", .event("started")),
    ("No API key provided. The proxy will not authenticate with the API.", .event("no-key")),
    ("Coordinator manifest fetched successfully", .event("manifest-fetched")),
    ("Validate succeeded", .event("validated")),
    ("Secret updated successfully", .event("secret-updated")),
    ("Starting HTTP server without TLS", .event("listening")),
    ("Starting HTTPS server", .event("listening-tls")),
    ("Set secrets", .event("secret-refused")),
    ("Failed to updated secret", .event("secret-update-failed")),
    ("Secret update loop exited", .lostRefresh),
    ("Failed sending response to downstream client", .event("stream-cut")),
  ]

  /// Known and of no interest one by one.
  private static let counted: Set<String> = [
    "Forwarding request", "Forwarding finished successfully", "Mutating request",
    "Mutating full request body", "Mutating form field",
    "Request failed, checking retry conditions", "Upstream returned an error status code",
    "Failed to forward request", "Connection closed by client before forwarding finished",
    "Starting proxy", "Version", "Shutting down server", "Context cancelled, stopping loop",
    "Resetting request cipher",
  ]

  /// By substring, first match.
  private static func classify(_ text: String) -> Fault? {
    if text.contains("Unauthorized") { return .badKey }
    if text.contains("active manifest does not match") { return .manifestMismatch }
    if text.contains("validating attestation") {
      return text.contains("unmarshal") ? .tooOld : .attestation
    }
    if text.contains("address already in use") { return .portInUse }
    if ["lookup", "dial tcp", "x509"].contains(where: { text.contains($0) }) { return .network }
    return nil
  }
}
