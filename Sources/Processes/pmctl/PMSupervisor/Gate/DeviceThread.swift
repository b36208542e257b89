internal import PMAttest
internal import PMCrypto
internal import PMSystem

/// The thread on which the machine's devices are asked, strictly one question at a time: a call may
/// block for a minute, and the supervisor's loop must not.
final class DeviceThread {
  enum Job: Sendable {
    case kernelLine(Platform)
    case device(Platform)
    case prepare(Platform, key: Digest256, claims: [UInt8])
    case collect(Nonce, Preparation, Platform)
  }

  enum Result: Sendable {
    /// What was seen, for people.
    case seen(String)
    case prepared(Preparation)
    case collected(EvidenceDocument.Body)
    /// The certificate chain no longer fits the machine's firmware.
    case firmwareChanged
    case failed(FailureToken, DeviceFault?)
  }

  private struct Exchange: Sendable {
    var jobs: [(id: UInt64, job: Job)] = []
    var results: [(id: UInt64, result: Result)] = []
    var bell: Wake.Bell?
  }

  private let exchange = Guarded(Exchange())
  private var waiting: [UInt64: (Result) -> Void] = [:]
  private var lastID: UInt64 = 0
  private var wake: Wake?

  /// Results are told on `loop`.
  init(_ machine: Machine, _ loop: EventLoop) throws(SystemError) {
    let wake = try Wake { [unowned self] in collect() }
    try loop.add(wake)
    self.wake = wake
    let (exchange, bell) = (exchange, wake.bell)
    try startThread { Desk(machine, exchange, bell).live() }
  }

  /// Asks; the answer comes once, in the order of the questions. One too many fails at once.
  func ask(_ job: Job, _ done: @escaping (Result) -> Void) {
    guard waiting.count < RuntimeLimits.deviceJobsMax else {
      return done(.failed(.deviceBusy, nil))
    }
    lastID += 1
    waiting[lastID] = done
    let id = lastID
    let bell = exchange.withLock { exchange in
      exchange.jobs.append((id, job))
      return exchange.bell
    }
    bell?.ring()
  }

  private func collect() {
    let results = exchange.withLock { exchange in
      defer { exchange.results = [] }
      return exchange.results
    }
    for (id, result) in results { waiting.removeValue(forKey: id)?(result) }
  }

  /// What lives on the thread.
  private final class Desk {
    private let machine: Machine
    private let exchange: Guarded<Exchange>
    private let bell: Wake.Bell
    private var collectors: [Platform: EvidenceCollector] = [:]

    init(_ machine: Machine, _ exchange: Guarded<Exchange>, _ bell: Wake.Bell) {
      (self.machine, self.exchange, self.bell) = (machine, exchange, bell)
    }

    func live() {
      guard let loop = try? EventLoop(), let wake = try? Wake({ [unowned self] in work() }),
        (try? loop.add(wake)) != nil
      else { return }
      exchange.withLock { $0.bell = wake.bell }
      // What was asked before there was a bell.
      work()
      loop.run()
    }

    private func work() {
      while let (id, job) = exchange.withLock({ $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }) {
        let result = answer(job)
        exchange.withLock { $0.results.append((id, result)) }
        bell.ring()
      }
    }

    private func answer(_ job: Job) -> Result {
      switch job {
      case .kernelLine(let platform):
        return seen { () throws(FailureToken) in try machine.kernelLine(for: platform) }
      case .device(let platform):
        return seen { () throws(FailureToken) in
          let numbers = try machine.checkDevice(platform)
          return "device \(numbers.major):\(numbers.minor)"
        }
      case .prepare(let platform, let key, let claims):
        let collector = collector(platform)
        do throws(FailureToken) {
          return .prepared(
            try collector.prepare(key: key, claims: claims, nonce: machine.nonce()))
        } catch {
          return .failed(error, collector.fault)
        }
      case .collect(let nonce, let preparation, let platform):
        let collector = collector(platform)
        do throws(CollectionFault) {
          return .collected(try collector.collect(nonce, for: preparation))
        } catch {
          switch error {
          case .failed(let token): return .failed(token, collector.fault)
          case .firmwareChanged: return .firmwareChanged
          }
        }
      }
    }

    private func seen(_ look: () throws(FailureToken) -> String) -> Result {
      do throws(FailureToken) { return .seen(try look()) } catch { return .failed(error, nil) }
    }

    /// Devices stay open between questions.
    private func collector(_ platform: Platform) -> EvidenceCollector {
      if let known = collectors[platform] { return known }
      let made = EvidenceCollector(machine: machine, platform: platform)
      collectors[platform] = made
      return made
    }
  }
}
