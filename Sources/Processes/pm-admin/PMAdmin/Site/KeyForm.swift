internal import PMJSON
internal import PMSystem
internal import PMWire

/// A field of the forms that make and change keys.
enum KeyField: Hashable {
  case description
  /// Days from now; for a new key.
  case days
  /// A time; for a key that is there.
  case expiry
  case term(KeyTerm)

  static let ofNewKey = [.description, .days, .term(.limit(.requests))] + further
  static let ofChange = [.description, .expiry, .term(.limit(.requests))] + further
  /// What most keys are made without.
  static let further = KeyTerm.allCases.filter { $0 != .limit(.requests) }.map { KeyField.term($0) }

  var name: String {
    switch self {
    case .description: "description"
    case .days: "expires_days"
    case .expiry: "expires_at"
    case .term(let term): term.name
    }
  }

  var label: String {
    switch self {
    case .description: "Label"
    case .days: "TTL (days)"
    case .expiry: "Expires (UTC)"
    case .term(let term): term.label
    }
  }

  /// What an empty field means.
  var emptyMeaning: String {
    switch self {
    case .description, .term(.owner), .term(.tags): ""
    case .days, .expiry: "never"
    case .term(.models), .term(.endpoints), .term(.networks): "all"
    case .term(.promptCache): "on"
    case .term(.limit): "none"
    }
  }

  /// What may be typed, in one sentence.
  var demand: String {
    switch self {
    case .description:
      "At most \(CoreControl.descriptionCharactersMax) characters, on one line."
    case .days: WholeNumber.demand(CoreControl.daysRange)
    case .expiry: "A date or time such as 2030-01-31 or 2030-01-31T12:00:00Z."
    case .term(let term): term.demand
    }
  }

  /// The member of a request for what was typed; core's rules judge it.
  fileprivate func json(_ typed: String) -> JSONValue {
    switch self {
    case .description: .string(typed)
    case .days: typed.isEmpty ? .null : WholeNumber.read(typed, in: CoreControl.daysRange)
      .map { .integer($0) } ?? .string(typed)
    case .expiry: typed.isEmpty ? .null : .string(typed)
    case .term(let term): term.json(typed)
    }
  }

  /// What the field shows of a key.
  fileprivate func text(of key: CoreControl.KeyEntry) -> String {
    switch self {
    case .description: key.description
    case .days: ""
    case .expiry: key.expiresAt?.civil.rfc3339 ?? ""
    case .term(let term): term.text(in: key.json)
    }
  }
}

/// A form of a key: reads what was typed, or says beside each field what is wrong.
struct KeyForm<Request: CoreControl.Body> {
  private(set) var typed: [KeyField: String] = [:]
  private(set) var faults: [KeyField: String] = [:]
  /// Nil if there are faults.
  private(set) var request: Request?

  /// The form as it shows a key, or empty.
  init(showing key: CoreControl.KeyEntry?, _ fields: [KeyField]) {
    for field in fields { typed[field] = key.map { field.text(of: $0) } }
  }

  /// What was typed. An absent field is not in the request.
  init(_ form: Form, _ fields: [KeyField]) {
    var members = JSONObject()
    for field in fields {
      guard let text = form.text(field.name) else { continue }
      typed[field] = text
      let value = field.json(text)
      members[field.name] = value
      if Self.read([field.name: value]) == nil { faults[field] = field.demand }
    }
    if faults.isEmpty { request = Self.read(members) }
  }

  private static func read(_ members: JSONObject) -> Request? {
    try? Request(body: JSONValue.object(members).utf8)
  }
}

extension KeyForm {
  /// A label and an input for each field, with its fault.
  func inputs(_ fields: [KeyField]) -> HTML {
    let inputs = fields.map { field -> HTML in
      """
      <label for="\(field.name)">\(field.label)</label>
      <input id="\(field.name)" name="\(field.name)" placeholder="\(field.emptyMeaning)" \
      title="\(field.demand)" value="\(typed[field] ?? "")">
      \(Piece.fault(faults[field]))
      """
    }
    return "\(inputs)"
  }

  /// The fields that most keys are made without, folded away unless one needs to be seen.
  var furtherInputs: HTML {
    let isOpen = KeyField.further.contains { faults[$0] != nil }
    return """
      <details\(isOpen ? " open" : "")><summary>Owner, lists and budgets</summary>
      \(inputs(KeyField.further))
      </details>
      """
  }
}
