public import PMJSON

extension Floors {
  /// Reads rows that replace the table's, as the configuration has them:
  /// `{"Genoa/17/1": {"bl": 10, "snp": 23, "ucode": 84}}`. Components that are not named are 0.
  /// Nil if anything in it is not of that form.
  public static func rows(json object: JSONObject) -> [Key: TCB]? {
    var rows: [Key: TCB] = [:]
    for member in object.members {
      guard let key = Key(text: member.name), let components = member.value.object,
        let floor = floor(components.members.map { ($0.name, $0.value.integer) })
      else { return nil }
      rows[key] = floor
    }
    return rows
  }

  /// Reads one row as a command line has it: `Genoa/17/1:bl=10,snp=23,ucode=84`.
  public static func row(text: String) -> (key: Key, floor: TCB)? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let key = Key(text: String(parts[0])) else { return nil }
    let components = parts[1].split(separator: ",", omittingEmptySubsequences: false).map { part in
      let pair = part.split(separator: "=", omittingEmptySubsequences: false)
      return (String(pair[0]), pair.count == 2 ? Int64(pair[1]) : nil)
    }
    return floor(components).map { (key, $0) }
  }

  /// Nil if there is none, or an unknown name, a name twice, or a number past one byte.
  private static func floor(_ components: [(name: String, level: Int64?)]) -> TCB? {
    var levels: [String: UInt8] = [:]
    for (name, level) in components {
      guard ["fmc", "bl", "tee", "snp", "ucode"].contains(name), levels[name] == nil,
        let level = level.flatMap({ UInt8(exactly: $0) })
      else { return nil }
      levels[name] = level
    }
    guard !levels.isEmpty else { return nil }
    return TCB(
      fmc: levels["fmc"], bootLoader: levels["bl"] ?? 0, tee: levels["tee"] ?? 0,
      snp: levels["snp"] ?? 0, microcode: levels["ucode"] ?? 0)
  }
}

extension Floors.Key {
  /// Reads what `text` writes; nil if it is anything else.
  public init?(text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, let product = Product(rawValue: String(parts[0])),
      let model = UInt8(parts[1]), let stepping = UInt8(parts[2])
    else { return nil }
    self.init(product, model: model, stepping: stepping)
    guard self.text == text else { return nil }
  }
}

extension TCB {
  /// `bl 10, tee 0, snp 23, ucode 84`, in the names of AMD's key service.
  public var text: String { components.map { "\($0.name) \($0.level)" }.joined(separator: ", ") }

  /// `{"bl":10,"tee":0,"snp":23,"ucode":84}`
  public var json: JSONObject {
    JSONObject(components.map { JSONObject.Member($0.name, .integer(Int64($0.level))) })
  }

  private var components: [(name: String, level: UInt8)] {
    (fmc.map { [("fmc", $0)] } ?? [])
      + [("bl", bootLoader), ("tee", tee), ("snp", snp), ("ucode", microcode)]
  }
}
