import Glibc

/// The start of 2.3: arguments, attestation, port, loop, server, in the vendor's order.
struct Boot {
  static let version = "v0.0.0-standin"

  let options: Options
  let scenario: Scenario
  let log: Log

  /// The text behind `Error: `, for exit code 1.
  struct Refusal: Error {
    let text: String
  }

  func run() throws(Refusal) -> Never {
    log.info("Privatemode encryption proxy", ["version": .text(Self.version)])
    let key = try checkArguments()
    log.info("Starting proxy")
    try checkManifestPath()

    let exchange = SecretExchange(
      scenario: scenario, options: options, manifests: ManifestLog(options: options), log: log)
    let keeper = SecretKeeper(apiKey: key, scenario: scenario, exchange: exchange, log: log)
    let standIn = StandIn(
      options: options, apiKey: key, scenario: scenario, log: log, keeper: keeper)
    guard Signals.watch({ number in standIn.receive(signal: number) }) else {
      throw Refusal(text: "stand-in: no thread for signals")
    }
    try openControl(standIn)
    crashWhenAsked()
    // The SDK's cache; what else fails in the workspace shows where the vendor shows it.
    _ = try? Files.makeDirectory(options.inWorkspace("contrast"))
    if key != nil { try attest(keeper) }
    log.info("Version", ["version": .text(Self.version)])
    let socket = try listen()
    let files = try loadTLS()
    sayStarted(keeper, socket: socket, isTLS: files != nil, isAttested: key != nil)
    Server(standIn: standIn, files: files).run(on: socket)
  }

  private func checkArguments() throws(Refusal) -> Bytes? {
    guard options.tlsCertPath.isEmpty == options.tlsKeyPath.isEmpty else {
      throw Refusal(text: "TLS certificate and key must be provided together")
    }
    guard options.promptCacheSalt.isEmpty || options.sharesPromptCache else {
      throw Refusal(
        text:
          "getting prompt cache salt: promptCacheSalt is set but sharedPromptCache is not enabled"
      )
    }
    let key = try readKey()
    if key == nil {
      log.warn("No API key provided. The proxy will not authenticate with the API.")
    }
    guard options.allowsUnknownOCSP || options.revokedGraceHours <= 0 else {
      throw Refusal(
        text: "unknown OCSP statuses are disallowed, but revoked statuses are allowed. "
          + "This is likely to be an erroneous configuration")
    }
    return key
  }

  private func readKey() throws(Refusal) -> Bytes? {
    guard options.isAPIKeySet else { return nil }
    guard options.apiKey.hasPrefix("@") else { return Bytes(options.apiKey) }
    let path = String(options.apiKey.dropFirst())
    do throws(FileFault) {
      return try Files.read(path).trimmed
    } catch {
      throw Refusal(text: "failed to read API key file \(goQuoted(path)): \(error.goText)")
    }
  }

  private func checkManifestPath() throws(Refusal) {
    guard !options.manifestPath.isEmpty else { return }
    do throws(FileFault) {
      _ = try Files.read(options.manifestPath)
    } catch {
      throw Refusal(
        text: "setting up secret manager configuration: failed to read manifest file: "
          + error.goText)
    }
  }

  private func openControl(_ standIn: StandIn) throws(Refusal) {
    guard let path = Files.environment("PM_STANDIN_CONTROL"), !path.isEmpty else { return }
    switch Sockets.listenUnix(path: path) {
    case .success(let socket):
      guard Threads.start({ Control(standIn: standIn).run(on: socket) }) else {
        throw Refusal(text: "stand-in: no thread for the control socket")
      }
    case .failure(let fault):
      throw Refusal(text: "stand-in: control socket \(path): \(goErrorText(fault.number))")
    }
  }

  /// Dies like a Go program that hit a nil pointer.
  private func crashWhenAsked() {
    guard let delay = scenario.crashMilliseconds else { return }
    _ = Threads.start {
      Clock.sleep(milliseconds: delay)
      let text = """
        panic: runtime error: invalid memory address or nil pointer dereference
        [signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x0]

        goroutine 1 [running]:
        main.main()

        """
      _ = Files.writeAll(Bytes(text), to: STDERR_FILENO)
      _exit(2)
    }
  }

  private func attest(_ keeper: SecretKeeper) throws(Refusal) {
    if scenario.boot == .hang { Clock.sleepForever() }
    do throws(ExchangeFault) {
      try keeper.attestAtStart()
    } catch {
      throw Refusal(
        text: "setting up secret manager configuration: trying API key: \(error.goText)")
    }
  }

  private func listen() throws(Refusal) -> Int32 {
    let place = "listening on port \(goQuoted(options.port)): listen tcp"
    guard !options.port.contains(":") else {
      throw Refusal(text: "\(place): address :\(options.port): too many colons in address")
    }
    let isNumber = !options.port.isEmpty && options.port.utf8.allSatisfy(\.isDigit)
    let number =
      isNumber || options.port.isEmpty
      ? UInt16(options.port.isEmpty ? "0" : options.port) : Sockets.port(ofService: options.port)
    guard let number else {
      throw Refusal(
        text: isNumber
          ? "\(place): address \(options.port): invalid port"
          : "\(place): lookup tcp/\(options.port): unknown port")
    }
    switch Sockets.listenTCP(port: number) {
    case .success(let socket): return socket
    case .failure(let fault):
      throw Refusal(text: "\(place) :\(options.port): bind: \(goErrorText(fault.number))")
    }
  }

  private func loadTLS() throws(Refusal) -> TLSFiles? {
    guard !options.tlsCertPath.isEmpty else { return nil }
    let files = TLSFiles(certificatePath: options.tlsCertPath, keyPath: options.tlsKeyPath)
    do throws(TLSFault) {
      try files.check()
    } catch {
      throw Refusal(text: "loading TLS config: \(error.goText)")
    }
    return files
  }

  /// The server and the refresh loop start side by side, so their lines come in either order.
  private func sayStarted(_ keeper: SecretKeeper, socket: Int32, isTLS: Bool, isAttested: Bool) {
    let isLoopFirst = isAttested && scenario.seed % 2 == 1
    if isLoopFirst { keeper.sayUpdated() }
    log.info(
      isTLS ? "Starting HTTPS server" : "Starting HTTP server without TLS",
      ["endpoint": .text("[::]:\(Sockets.port(of: socket))")])
    if isAttested && !isLoopFirst { keeper.sayUpdated() }
  }
}
