import PMCrypto
import PMJSON
import PMLog
import PMSystem

/// Watches the keys file by its content: independent of clocks, and of how it is written. A valid
/// file replaces the keys that came from it in one step; anything else changes nothing.
final class KeysFileWatcher: EventSource {
  /// How often the file is read. A change is in force within a second.
  static let pollMilliseconds: UInt64 = 500
  /// A missing file may be about to be replaced for so long.
  static let goneSecondsMax: UInt64 = 5

  enum Standing: Equatable {
    /// Not read yet.
    case unknown
    case loaded(keys: Int, shadowed: Int)
    /// Not a keys file, or with entries that are refused; the keys read before stay.
    case refused([KeyFileRemark])
    case unreadable
    /// Missing for longer than allowed: its keys are off.
    case gone
  }

  private let path: String
  private unowned let loop: EventLoop
  private let keys: KeyTable
  private let register: KeyRegister
  private let environment: [EnvironmentKey]
  private let line: ChangeLine
  private(set) var standing = Standing.unknown
  /// Content that is in force.
  private var applied: Digest256?
  /// Content that was found wanting once; it may be half-written.
  private var suspect: Digest256?
  private var refused: Digest256?
  private var goneSince: Instant?
  private var isApplying = false

  init(
    _ path: String, in loop: EventLoop, keys: KeyTable, register: KeyRegister,
    environment: [EnvironmentKey], line: ChangeLine
  ) {
    self.path = path
    self.loop = loop
    self.keys = keys
    self.register = register
    self.environment = environment
    self.line = line
    super.init(nil)
  }

  /// Reads the file and sets the time of the next look.
  func poll() {
    if !isApplying { look() }
    loop.setDeadline(self, loop.now.adding(milliseconds: Self.pollMilliseconds))
  }

  override func onDeadline() { poll() }

  private func look() {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try FileIO.read(path, bytesMax: KeyFileReading.fileBytesMax)
    } catch {
      if error == .noSuchFile { noteMissing() } else { note(.unreadable) }
      return
    }
    goneSince = nil
    let content = keys.digester.contentDigest(of: bytes.span)
    if content == applied, !keys.isFileGone { return }
    if content == refused { return }
    guard let reading = KeyFileReading(bytes, digester: keys.digester), reading.refused.isEmpty
    else { return noteInvalid(content, bytes) }
    apply(reading, content)
  }

  private func noteMissing() {
    guard let since = goneSince else { return goneSince = loop.now }
    guard loop.now >= since.adding(seconds: Self.goneSecondsMax), !keys.isFileGone else { return }
    keys.isFileGone = true
    (applied, refused, suspect) = (nil, nil, nil)
    note(.gone)
  }

  private func noteInvalid(_ content: Digest256, _ bytes: [UInt8]) {
    // Seen twice it is no longer being written.
    guard content == suspect else { return suspect = content }
    refused = content
    let reading = KeyFileReading(bytes, digester: keys.digester)
    note(.refused(reading?.refused ?? []))
  }

  private func note(_ new: Standing) {
    if new == standing { return }
    standing = new
    switch new {
    case .gone: Log.write(.core(.keysFileGone))
    case .refused, .unreadable: Log.write(.core(.keysFileRefused))
    case .loaded(let keys, let shadowed):
      Log.write(.core(.keysFileLoaded(keys: keys, shadowed: shadowed)))
    case .unknown: break
    }
  }

  private func apply(_ reading: KeyFileReading, _ content: Digest256) {
    isApplying = true
    let isLined = line.enter { [self] in
      let time = WallTime.now()
      let plan = register.plan(file: reading.entries, environment: environment, at: time)
      putInForce(plan, at: time)
      keys.isFileGone = false
      (applied, refused, suspect) = (content, nil, nil)
      note(.loaded(keys: reading.entries.count, shadowed: plan.shadowed))
      isApplying = false
      return nil
    }
    // The line is full: the next look tries again.
    if !isLined { isApplying = false }
  }

  /// What was revoked or changed counts at once, whether the ledger takes it or not. A new key
  /// counts when its row is on disk, because requests refer to the row.
  private func putInForce(_ plan: KeyPlan, at time: WallTime) {
    if plan.isEmpty { return }
    let before = (plan.removals + plan.puts).compactMap { keys.record($0.id)?.details.auditState }
    for details in plan.removals {
      keys.remove(details.id)
      register.retire(details)
    }
    var entered: [KeyDetails] = []
    for details in plan.puts {
      if keys.record(details.id) == nil { entered.append(details) } else { keys.put(details) }
    }
    let counts = "{\"put\":\(plan.puts.count),\"removed\":\(plan.removals.count)}"
    let audit = AuditEntry(
      at: time, actor: "keys-file", uid: PeerIdentity.ownUID, action: "apply", changes: counts
    ).changing(.array(before), .array(plan.puts.map(\.auditState)))
    let newKeys = entered
    line.insist(plan.changes(at: time) + [.audit(audit)]) { [keys] in
      for details in newKeys { keys.put(details) }
    }
  }
}
