internal import PMSupervisor
internal import PMSystem
internal import PMVerify
internal import PMWire

/// The collateral role: gets certificates for the gate, prints them, leaves. It has no rights but
/// the network and its cache, and root reads what it prints as data of anybody.
enum Collateral {
  static func run(_ words: [String]) -> Int32 {
    do throws(CollateralRole.Fault) {
      let output = try CollateralRole.run(words, source: NetworkSource(), at: .now())
      FileIO.writeStandard(output, to: 1)
      return ExitCode.done
    } catch {
      Terminal.error("pmctl collateral: \(text(error))")
      return error == .usage ? ExitCode.usage : ExitCode.failed
    }
  }

  private static func text(_ fault: CollateralRole.Fault) -> String {
    switch fault {
    case .usage: "cache|imds|kds FOLDER CHIP TCB vcek|vlek [PRODUCT]"
    case .tooSoon: "AMD's service was asked less than a minute ago"
    case .network(let fault): fault.words
    case .nothing: "nothing there"
    case .cacheUnusable(let errno): "the cache cannot be written (errno \(errno))"
    }
  }
}
