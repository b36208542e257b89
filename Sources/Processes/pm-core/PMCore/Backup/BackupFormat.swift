import PMCrypto
import PMSystem

/// The head of a backup, in the clear: how the key is made of the passphrase. All frames behind it
/// are bound to it. Every number is big endian; the README has the bytes as a table.
struct BackupHead: Equatable, Sendable {
  static let byteCount = 48
  static let magic = Array("PMBACKUP".utf8)
  static let version: UInt8 = 1
  private static let saltBytes = 16
  private static let checkBytes = 16
  /// Powers of two; with more the library refuses for want of memory.
  private static let costLogRange: ClosedRange<UInt8> = 10...17

  let bytes: [UInt8]
  let key: [UInt8]

  /// Derives a key under a fresh salt; takes as long as `costLog` asks for.
  init(
    passphrase: borrowing Span<UInt8>, costLog: UInt8 = 17
  ) throws(BackupFault) {
    var bytes = Self.magic + [Self.version, costLog, 8, 1]
    bytes += UInt32(BackupFrame.plainBytesMax).bigEndianBytes + randomBytes(Self.saltBytes)
    let (key, check) = try Self.derive(passphrase, bytes)
    (self.bytes, self.key) = (bytes + check, key)
  }

  /// Reads a head, and confirms the passphrase.
  init(
    reading bytes: [UInt8], passphrase: borrowing Span<UInt8>
  ) throws(BackupFault) {
    guard bytes.count == Self.byteCount, bytes.starts(with: Self.magic) else { throw .notABackup }
    guard bytes[8] == Self.version, Self.costLogRange.contains(bytes[9]), bytes[10] == 8,
      bytes[11] == 1, Array(bytes[12..<16]) == UInt32(BackupFrame.plainBytesMax).bigEndianBytes
    else { throw .unknownVersion }
    let (key, check) = try Self.derive(passphrase, Array(bytes[..<32]))
    let told = Array(bytes[32...])
    guard equalInConstantTime(check.span, told.span) else { throw .wrongPassphrase }
    (self.bytes, self.key) = (bytes, key)
  }

  /// The key, and beside it bytes that confirm the passphrase and say nothing of the key.
  private static func derive(
    _ passphrase: borrowing Span<UInt8>, _ bytes: [UInt8]
  ) throws(BackupFault) -> (key: [UInt8], check: [UInt8]) {
    let salt = Array(bytes[16..<32])
    let parameters = Scrypt(
      cost: 1 << UInt64(bytes[9]), blockSize: UInt64(bytes[10]), parallelism: UInt64(bytes[11]))
    do throws(CryptoError) {
      let derived = try parameters.derive(
        passphrase, salt: salt.span, count: AES256GCM.keyByteCount + checkBytes)
      return (Array(derived.prefix(AES256GCM.keyByteCount)), Array(derived.suffix(checkBytes)))
    } catch { throw .crypto }
  }
}

/// The head of one frame: its number, its length, and whether it is the last. It is the nonce of
/// its frame too, so none of it can be changed.
struct BackupFrame: Equatable, Sendable {
  static let headBytes = 8
  static let plainBytesMax = 64 << 10
  private static let lastBit: UInt32 = 1 << 31

  var number: UInt32
  var plainBytes: Int
  var isLast: Bool

  var head: [UInt8] {
    number.bigEndianBytes + (UInt32(plainBytes) | (isLast ? Self.lastBit : 0)).bigEndianBytes
  }
  var nonce: [UInt8] { [0, 0, 0, 0] + head }
  var sealedBytes: Int { plainBytes + AES256GCM.tagByteCount }

  init(number: UInt32, plainBytes: Int, isLast: Bool) {
    (self.number, self.plainBytes, self.isLast) = (number, plainBytes, isLast)
  }

  /// Nil if it is longer than a frame can be.
  init?(_ bytes: borrowing Span<UInt8>) {
    number = UInt32(bigEndian: bytes, at: 0)
    let word = UInt32(bigEndian: bytes, at: 4)
    isLast = word & Self.lastBit != 0
    plainBytes = Int(word & ~Self.lastBit)
    if plainBytes > Self.plainBytesMax { return nil }
  }
}

extension UInt32 {
  var bigEndianBytes: [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: self >> $0) }
  }

  /// The four bytes from `start` on.
  init(bigEndian bytes: borrowing Span<UInt8>, at start: Int) {
    self = 0
    for index in start..<start + 4 { self = self << 8 | UInt32(bytes[index]) }
  }
}

/// Seals what it is given, in frames of equal length but for the last.
final class BackupSealer {
  private let head: BackupHead
  private let cipher: AES256GCM
  private var number: UInt32 = 0
  private var plain = ByteBuffer()

  init(_ head: BackupHead) throws(BackupFault) {
    self.head = head
    do throws(CryptoError) {
      cipher = try AES256GCM(key: head.key.span)
    } catch { throw .crypto }
  }

  func begin(into out: inout ByteBuffer) { out.append(head.bytes) }

  /// Appends the frames that become full; never the last.
  func seal(_ bytes: borrowing Span<UInt8>, into out: inout ByteBuffer) {
    var done = 0
    while done < bytes.count {
      if plain.count == BackupFrame.plainBytesMax { put(isLast: false, into: &out) }
      let count = min(bytes.count - done, BackupFrame.plainBytesMax - plain.count)
      plain.append(bytes.extracting(done..<done + count))
      done += count
    }
  }

  /// Appends the last frame.
  func end(into out: inout ByteBuffer) { put(isLast: true, into: &out) }

  private func put(isLast: Bool, into out: inout ByteBuffer) {
    let frame = BackupFrame(number: number, plainBytes: plain.count, isLast: isLast)
    out.append(frame.head)
    let (nonce, associated) = (frame.nonce, head.bytes)
    cipher.seal(plain.span, nonce: nonce.span, associated: associated.span, into: &out)
    plain.clear()
    // 2^32 frames are 256 TiB; no ledger comes near.
    number += 1
  }
}

/// Opens frames one after the other.
final class BackupOpener {
  private let head: BackupHead
  private let cipher: AES256GCM
  private var next: UInt32 = 0
  private(set) var hasEnded = false

  init(_ head: BackupHead) throws(BackupFault) {
    self.head = head
    do throws(CryptoError) {
      cipher = try AES256GCM(key: head.key.span)
    } catch { throw .crypto }
  }

  /// The frame that is being waited for.
  var number: UInt32 { next }

  /// Looks at the head of the next frame.
  func begin(_ bytes: borrowing Span<UInt8>) throws(BackupFault) -> BackupFrame {
    guard let frame = BackupFrame(bytes) else { throw .altered(frame: next) }
    guard frame.number == next else { throw .outOfOrder(frame: next) }
    return frame
  }

  /// Appends what is in the frame, if it is genuine.
  func open(
    _ frame: BackupFrame, _ sealed: borrowing Span<UInt8>, into plain: inout ByteBuffer
  ) throws(BackupFault) {
    let (nonce, associated) = (frame.nonce, head.bytes)
    guard cipher.open(sealed, nonce: nonce.span, associated: associated.span, into: &plain) else {
      throw .altered(frame: next)
    }
    next += 1
    hasEnded = frame.isLast
  }
}
