internal import PMLog
internal import PMSystem
internal import PMTLS

/// The private key of one loop, from its file. Where the key is fixed, another one in the file is
/// told about and not taken.
final class KeyWatch {
  private let path: String
  /// The public half that the key must have; nil where any will do.
  private let publicKey: [UInt8]?
  private var stamp: FileStamp?
  private var hasLooked = false
  private(set) var key: PrivateKey?
  /// Grows with each key that is taken.
  private(set) var generation = 0

  init(_ path: String, publicKey: [UInt8]?) { (self.path, self.publicKey) = (path, publicKey) }

  /// Reads the file if it was replaced or written since the last look.
  func look() {
    let now = FileIO.stamp(path)
    if hasLooked && now == stamp { return }
    (stamp, hasLooked) = (now, true)
    do throws(EdgeEvent.KeyFault) {
      try take(try EdgeKey.read(path))
    } catch { tell(error) }
  }

  private func take(_ found: PrivateKey) throws(EdgeEvent.KeyFault) {
    if let publicKey {
      guard found.publicKey == publicKey else { throw .another }
      // The same key, written again.
      if key != nil { return }
    }
    key = found
    generation += 1
  }

  private func tell(_ fault: EdgeEvent.KeyFault) {
    if publicKey != nil { return Log.write(.edge(.keyNotTaken(reason: fault))) }
    // A pair that is being replaced is not there for a moment.
    if fault == .unreadable && key != nil { return }
    Log.write(.edge(.certificateRefused(reason: fault == .unusable ? .unusable : .unreadable)))
  }
}
