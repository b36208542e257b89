internal import PMCrypto
internal import PMSystem
internal import PMWire

/// A program that may be executed: the descriptor whose bytes have this digest.
final class Program {
  let descriptor: OwnedDescriptor
  let digest: Digest256

  init(_ descriptor: consuming OwnedDescriptor, _ digest: Digest256) {
    self.descriptor = descriptor
    self.digest = digest
  }
}

/// Our own programs. In production each is opened once: what runs, and what the claims of the
/// evidence name, are the same bytes for the life of the supervisor, whatever is at the paths.
final class ProgramShelf {
  let folder: String
  private let profile: Profile
  private var held: [String: Program] = [:]

  init(folder: String, profile: Profile) { (self.folder, self.profile) = (folder, profile) }

  func program(_ name: String) throws(ProgramFault) -> Program {
    if let known = held[name] { return known }
    let program = try Program.ours("\(folder)/\(name)", profile)
    if profile == .production { held[name] = program }
    return program
  }
}

/// Why a program is not executed.
enum ProgramFault: Error {
  case unreadable(Int32)
  /// Not a plain file, or others than its owner may change it.
  case notPrivate
  case digestDiffers
  /// The stand-in in the production profile.
  case standIn
  case unavailable
}

extension Program {
  /// Opens one of our own programs and digests it. The descriptor is what will be executed, so the
  /// path may be replaced meanwhile.
  static func ours(_ path: String, _ profile: Profile) throws(ProgramFault) -> Program {
    let file = try open(path, profile)
    let hash = try hasher()
    do throws(SystemError) {
      try FileIO.readPieces(file, bytesMax: RuntimeLimits.programBytesMax) { hash.update($0.span) }
    } catch { throw .unreadable(error.number) }
    return Program(file, hash.finish())
  }

  /// Copies the vendor's program into sealed memory while it is digested: what is compared with the
  /// pin cannot change afterwards. In production there must be a pin.
  static func vendor(
    _ path: String, pin: String?, _ profile: Profile
  ) throws(ProgramFault) -> Program {
    let file = try open(path, profile)
    let bytes: [UInt8]
    let sealed: OwnedDescriptor
    do throws(SystemError) {
      bytes = try FileIO.read(file, bytesMax: RuntimeLimits.programBytesMax)
      sealed = try SealedMemory.make(bytes, name: Role.vendor.rawValue, isExecutable: true)
    } catch { throw .unreadable(error.number) }
    let hash = try hasher()
    hash.update(bytes.span)
    let digest = hash.finish()
    if pin != nil || profile == .production {
      guard let pin, let wanted = Digest256(hex: pin), wanted.matches(digest) else {
        throw .digestDiffers
      }
    }
    if profile == .production, contains(bytes, standInMarker) { throw .standIn }
    return Program(sealed, digest)
  }

  /// The first bytes of the marker that the stand-in carries; an allow-list by digest would do, but
  /// a pin may be wrong and the stand-in encrypts nothing.
  static let standInMarker = "PRIVATEMODE-STANDIN-DO-NOT-TRUST"

  private static func open(
    _ path: String, _ profile: Profile
  ) throws(ProgramFault) -> OwnedDescriptor {
    let file: OwnedDescriptor
    do throws(SystemError) {
      file = try FileIO.open(path, followingLink: profile == .development)
    } catch { throw .unreadable(error.number) }
    guard FileIO.isPlainAndPrivate(file) else { throw .notPrivate }
    if profile == .production, FileIO.owner(file) != 0 { throw .notPrivate }
    return file
  }

  private static func hasher() throws(ProgramFault) -> SHA256 {
    do throws(CryptoError) { return try SHA256() } catch { throw .unavailable }
  }

  /// Looks for a needle whose first byte is rare.
  static func contains(_ bytes: [UInt8], _ needle: String) -> Bool {
    let needle = Array(needle.utf8)
    guard let first = needle.first, bytes.count >= needle.count else { return false }
    var start = 0
    while let index = bytes[start...].firstIndex(of: first), index + needle.count <= bytes.count {
      if bytes[index..<index + needle.count].elementsEqual(needle) { return true }
      start = index + 1
    }
    return false
  }
}
