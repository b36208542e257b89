import PMCrypto
import PMSystem

/// 16 random bytes that a receipt names: without them equal requests of two receipts would have
/// equal digests, and a table of digests made beforehand would fit.
typealias ReceiptSalt = InlineArray<16, UInt8>

/// What one call hashes while its bytes pass: first the request, then the answer, each behind the
/// salt.
final class ContentDigest {
  private let hash: SHA256
  private(set) var salt = ReceiptSalt(repeating: 0)
  private(set) var request: Digest256?

  init() throws(CryptoError) { hash = try SHA256() }

  fileprivate func begin(_ random: (UInt64, UInt64)) {
    for index in 0..<8 {
      salt[index] = UInt8(truncatingIfNeeded: random.0 >> (8 * UInt64(index)))
      salt[8 + index] = UInt8(truncatingIfNeeded: random.1 >> (8 * UInt64(index)))
    }
    request = nil
    hash.update(salt.span)
  }

  /// The next bytes of the request's body, then of the answer's.
  func update(_ bytes: borrowing Span<UInt8>) { hash.update(bytes) }

  /// The request is complete; what follows is the answer.
  func endRequest() {
    request = hash.finish()
    hash.update(salt.span)
  }

  /// The digest of what was hashed since, and an end to this call.
  fileprivate func finish() -> Digest256 { hash.finish() }
}

/// Digests of what passed lately, for receipts that are fetched soon. They are in memory only, and
/// not for long: a digest of content is a trace of it.
final class ContentDigests {
  /// A receipt is fetched right after its answer: at a hundred requests a second there are 40 s for
  /// it. With what is kept of each, half a MiB.
  static let entriesMax = 4096
  static let secondsMax: UInt64 = 900
  /// Contexts kept for the next calls; more calls at once make their own.
  static let idleContextsMax = 256

  struct Entry {
    let id: RequestID
    let salt: ReceiptSalt
    let request: Digest256
    let response: Digest256
    let endsAt: Instant
  }

  /// A ring: `oldest` is where the oldest lies, and the next goes behind the newest.
  private var entries = [Entry?](repeating: nil, count: entriesMax)
  private var oldest = 0
  private var count = 0
  private var places: [RequestID: Int] = [:]
  private var idle: [ContentDigest] = []
  private var random = KernelRandom()

  init() { places.reserveCapacity(Self.entriesMax) }

  /// A context for one call; nil if the library has no memory for it.
  func begin() -> ContentDigest? {
    guard let digest = idle.popLast() ?? (try? ContentDigest()) else { return nil }
    digest.begin((random.next(), random.next()))
    return digest
  }

  /// The call has ended. Its digests are kept if it has a row in the ledger.
  func end(_ digest: ContentDigest, of id: RequestID, hasRow: Bool, at now: Instant) {
    let response = digest.finish()
    if hasRow, let request = digest.request {
      keep(
        Entry(
          id: id, salt: digest.salt, request: request, response: response,
          endsAt: now.adding(seconds: Self.secondsMax)))
    }
    if idle.count < Self.idleContextsMax { idle.append(digest) }
  }

  private func keep(_ entry: Entry) {
    if count == Self.entriesMax { dropOldest() }
    let place = (oldest + count) % Self.entriesMax
    entries[place] = entry
    places[entry.id] = place
    count += 1
  }

  private func dropOldest() {
    if let id = entries[oldest]?.id { places[id] = nil }
    entries[oldest] = nil
    oldest = (oldest + 1) % Self.entriesMax
    count -= 1
  }

  /// Nil if it was never there, or is no more.
  func entry(of id: RequestID, at now: Instant) -> Entry? {
    forget(at: now)
    return places[id].flatMap { entries[$0] }
  }

  /// Drops what is too old; when the next will be, nil if nothing is kept.
  @discardableResult
  func forget(at now: Instant) -> Instant? {
    while let entry = entries[oldest], entry.endsAt <= now { dropOldest() }
    return entries[oldest]?.endsAt
  }
}
