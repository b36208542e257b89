import EmulatedMachine
import Glibc
import PMAttest
import PMJSON
public import PMSupervisor
import PMSystem

/// The world of `pmctl-emulated`: synthetic roots and an emulated machine. What it is like stands
/// in `emulated.json` beside the program, because one-shots get neither environment nor folder.
///
///     {"vectors": "/…/vectors", "platform": "snp", "script": "/…/script.json"}
///
/// The script may be absent or change at any time: {"lacksKernelLine": true, "device": TOKEN,
/// "call": TOKEN, "chip": "strict"}.
public enum EmulatedWorld {
  static let fileName = "emulated.json"
  private static let fileBytesMax = 4096

  public static func make() throws -> World {
    let program = OwnProcess.programPath ?? ""
    let folder = program[..<(program.lastIndex(of: "/") ?? program.startIndex)]
    // Without the file, as by hand: a plain machine, and the vectors where tests find them.
    let path = "\(folder)/\(fileName)"
    let file: JSONValue
    do { file = try read(path) } catch let error as SystemError where error.isAbsence { file = [:] }
    if let vectors = file["vectors"]?.string { _ = unsafe setenv("PM_VECTORS", vectors, 1) }
    let platform = file["platform"]?.string.flatMap(Platform.init(rawValue:)) ?? .snp
    let scriptPath = file["script"]?.string ?? ""
    let machine = try EmulatedMachine(platform: platform) { script(scriptPath) }.machine
    return World(anchors: try EmulatedMachine.anchors(), machine: machine)
  }

  private static func read(_ path: String) throws -> JSONValue {
    try JSONReader.read(try FileIO.read(path, bytesMax: fileBytesMax))
  }

  private static func script(_ path: String) -> EmulatedMachine.Script {
    var script = EmulatedMachine.Script()
    guard let file = try? read(path) else { return script }
    script.lacksKernelLine = file["lacksKernelLine"]?.boolean ?? false
    script.device = file["device"]?.string.flatMap(FailureToken.init(rawValue:))
    script.call = file["call"]?.string.flatMap(FailureToken.init(rawValue:))
    if file["chip"]?.string == "strict" { script.chip = .strict }
    return script
  }
}
