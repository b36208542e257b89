import PMSystem

/// A fault and the requests it is for: `{"match":{"path","model","nth"},"do":{…},"times":N}`.
struct Rule: Sendable {
  private let path: Bytes?
  private let model: Bytes?
  private let nth: Int?
  private let fault: Fault
  private var left: Int
  private var seen = 0

  init(_ value: JSON) throws(FieldFault) {
    guard value.isObject else { throw .notAnObject }
    var path: Bytes?
    var model: Bytes?
    var nth: Int?
    var fault = Fault()
    var times = Int.max
    for member in value.members {
      switch member.name.text {
      case "match":
        for part in member.value.members {
          switch part.name.text {
          case "path": path = try part.text()
          case "model": model = try part.text()
          case "nth": nth = try part.count()
          default: throw .unknown(part.name)
          }
        }
      case "do": fault = try Fault(member.value)
      case "times": times = try member.count()
      default: throw .unknown(member.name)
      }
    }
    self.path = path
    self.model = model
    self.nth = nth
    self.fault = fault
    left = times
  }

  /// Counts the request if it matches, and gives the fault if its turn has come.
  mutating func take(path: Bytes, model: Bytes?) -> Fault? {
    guard self.path == nil || self.path == path else { return nil }
    guard self.model == nil || self.model == model else { return nil }
    seen += 1
    guard left > 0, nth == nil || nth == seen else { return nil }
    left -= 1
    return fault
  }
}

/// The rules in force, in the order in which they were added; the first whose turn has come wins.
final class RuleTable: Sendable {
  private let rules: Guarded<[Rule]>

  init(_ rules: [Rule]) { self.rules = Guarded(rules) }

  func add(_ rule: Rule) { rules.withLock { $0.append(rule) } }

  func clear() { rules.withLock { $0 = [] } }

  func fault(path: Bytes, model: Bytes?) -> Fault? {
    rules.withLock { rules in
      for index in rules.indices {
        if let fault = rules[index].take(path: path, model: model) { return fault }
      }
      return nil
    }
  }
}
