internal import PMJSON
internal import PMLog
internal import PMSystem

/// What an edge wants of a document before it hands it on: that it speaks of this nonce and of the
/// key that the client's connection was made with. Who believes it is the client's affair.
enum EvidenceCheck {
  /// Nil if the document is one JSON object with both.
  static func fault(
    _ document: [UInt8], nonce: String, key: String
  ) -> EdgeEvent.EvidenceFault? {
    // Strict: a name that is there twice, or written with escapes, is an error.
    var scanner = JSONMemberScanner(isStrict: true)
    var values: (nonce: [UInt8], key: [UInt8]) = ([], [])
    var position = 0
    do throws(JSONError) {
      scanning: while true {
        switch try scanner.next(document.span, &position) {
        case .name:
          // With its quotes.
          if scanner.nameIs("nonce") || scanner.nameIs("spki_sha256") {
            scanner.captureValue(bytesMax: key.utf8.count + 2)
          }
        case .member:
          let value = scanner.isCaptureWhole ? scanner.captured : []
          if scanner.nameIs("nonce") { values.nonce = value }
          if scanner.nameIs("spki_sha256") { values.key = value }
        case .end: break scanning
        case .needsMore: return .damaged
        }
      }
    } catch { return .damaged }
    guard position == document.count else { return .damaged }
    if values.key != Array("\"\(key)\"".utf8) { return .foreignKey }
    return values.nonce == Array("\"\(nonce)\"".utf8) ? nil : .foreignNonce
  }
}
