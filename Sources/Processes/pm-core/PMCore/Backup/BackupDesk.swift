import PMLog
import PMSystem

/// Makes backups, one at a time, on a thread that lives as long as one: a copy of the ledger is
/// made, and sealed while it is sent. The loop's end of it.
final class BackupDesk {
  /// Without any progress for that long the receiver is given up; the relay does so earlier.
  private static let sendSecondsMax: UInt64 = 120

  private let source: BackupSource
  private let wake: Wake
  private let inbox: Inbox

  /// What the thread hands over.
  private struct News: Sendable {
    var answer: Result<StreamedBody, BackupFault>?
    var isOver = false
  }

  private final class Inbox {
    let news = Guarded(News())
    /// Nil while none is being made.
    var then: ((Result<StreamedBody, BackupFault>) -> Void)?
    var isRunning = false

    func open() {
      let news = news.withLock { news in
        defer { news.answer = nil }
        return news
      }
      if let answer = news.answer {
        let then = then
        self.then = nil
        then?(answer)
      }
      if news.isOver { isRunning = false }
    }
  }

  init(_ source: BackupSource, in loop: EventLoop) throws(SystemError) {
    self.source = source
    let inbox = Inbox()
    self.inbox = inbox
    wake = try Wake { inbox.open() }
    try loop.add(wake)
    try source.removeSnapshot()
  }

  /// True from `begin` until all of a backup was sent, or given up.
  var isRunning: Bool { inbox.isRunning }

  /// Starts one, which none is running of; `then` is called on the loop when its first byte can be
  /// sent, or when it has failed.
  func begin(
    passphrase: [UInt8], heads: LedgerHeads?,
    then: @escaping (Result<StreamedBody, BackupFault>) -> Void
  ) {
    inbox.isRunning = true
    inbox.then = then
    let (news, bell, source) = (inbox.news, wake.bell, source)
    news.withLock { $0 = News() }
    do throws(SystemError) {
      try startThread {
        Self.make(source, passphrase, heads) { answer in
          news.withLock { $0.answer = answer }
          bell.ring()
        }
        // Within the lock: who has heard of the end may close what the bell rings.
        news.withLock { news in
          news.isOver = true
          bell.ring()
        }
      }
    } catch {
      inbox.isRunning = false
      inbox.then = nil
      then(.failure(.system(error)))
    }
  }

  /// The thread's work.
  private static func make(
    _ source: BackupSource, _ passphrase: [UInt8], _ heads: LedgerHeads?,
    _ tell: (Result<StreamedBody, BackupFault>) -> Void
  ) {
    do throws(BackupFault) {
      let sealer = try BackupSealer(try BackupHead(passphrase: passphrase.span))
      let snapshot = try source.snapshot(at: .now(), heads: heads)
      var pair: DescriptorPair
      do throws(SystemError) { pair = try .stream() } catch { throw BackupFault.system(error) }
      guard let near = pair.first.take(), let far = pair.second.take() else { return }
      tell(.success(StreamedBody(far)))
      send(snapshot, sealer, over: near)
    } catch {
      Log.write(.core(.backupFailed(reason: error.word)))
      tell(.failure(error))
    }
  }

  /// In the chunked coding: what breaks off cannot be taken for a whole backup.
  private static func send(
    _ snapshot: consuming Snapshot, _ sealer: BackupSealer, over socket: consuming OwnedDescriptor
  ) {
    var chunk = ByteBuffer()
    var sentBytes = 0
    func send() -> Bool {
      sendAll(chunk.span, to: socket, until: .now().adding(seconds: sendSecondsMax))
    }
    let isSealed = snapshot.seal(sealer) { piece in
      sentBytes += piece.count
      chunk.clear()
      chunk.append(hex: piece.count)
      chunk.append("\r\n")
      chunk.append(piece)
      chunk.append("\r\n")
      return send()
    }
    chunk.clear()
    chunk.append("0\r\n\r\n")
    let isWhole = isSealed && send()
    Log.write(.core(isWhole ? .backupMade(bytes: sentBytes) : .backupFailed(reason: "not-taken")))
  }
}
