/// Documents whose verdict RFC 8259 leaves no doubt about.
enum Documents {
  static let valid = [
    "{}", "[]", "null", "true", "false", "0", "-0", "1", "-1", "12.5", "0.5", "1e5", "1E+5", "1e-5",
    "-0.0e-0", "123456789012345678901234567890", "1.0e400", #""""#, #""a""#, " [ ] ", "\t{\n}\r ",
    #"{"a":1}"#, #"{"a":{"a":{"a":[]}}}"#, #"["a",["b",{"c":null}]]"#, #"{"":0}"#,
    #"{"a":1,"b":2}"#,
    #""\" \\ \/ \b \f \n \r \t""#, #""\u0000\u001F\uFFFF""#, #""\uD83D\uDE00""#, #""\u0061""#,
    "\"\u{7F}\u{80}\u{2028}\u{10FFFF}\"", "[1,2,3]", "[ 1 , 2 ]", #"{ "a" : 1 , "b" : [ ] }"#,
    #"{"a":"{\"b\":1}"}"#, #"["\\"]"#, #"["]"]"#, #"{"}":"{"}"#, "[[],{},[[]]]",
  ]

  static let invalid = [
    "", " ", "{", "}", "[", "]", "{]", "[}", ",", ":", "{,}", "[,]", "[1,]", "[,1]", "[1,,2]",
    "[1 2]",
    #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a" 1}"#, #"{"a"::1}"#, #"{"a":1 "b":2}"#,
    #"{a:1}"#, #"{'a':1}"#, #"{1:1}"#, #"{null:1}"#, #"{"a":1}}"#, #"{"a":1},"#, "{}{}", "[]x",
    "1 2",
    "nul", "nulll", "True", "NULL", "tru", "truex", "undefined", "NaN", "Infinity", "-Infinity",
    "+1", "-", "--1", "01", "-01", "00", "1.", ".5", "-.5", "1.e5", "1e", "1e+", "1e5.5", "1e5e5",
    "0x10",
    "1_000", "1a", "1,", "0e", #"""#, #""a"#, #"'a'"#, #""\x""#, #""\U0041""#, #""\u""#, #""\u12""#,
    #""\u12G4""#, #""\u 123""#, #""\""#, #""\a""#, "\"\t\"", "\"\n\"", "\"\u{0}\"", "\"\u{1F}\"",
    "[\"a\u{0}\"]", "[1]\u{0}", "\u{FEFF}{}", "\u{A0}{}", "\u{B}[]", "\u{C}[]", "// a\n{}",
    "/* a */{}",
    "[1//\n]", "#\n1", #"["a":1]"#, #"{"a",1}"#, #"{"a":"b":"c"}"#, "[\"\u{2028}]", "{\"a\":[}",
    "[{]}",
  ]

  /// Escapes of half a surrogate pair: the grammar lets them pass, but no string has them.
  static let halfSurrogates = [
    #""\uD800""#, #""\uDC00""#, #""\uD800\u0041""#, #""\uD800x""#, #""\uD800\n""#,
    #""\uDBFF\uDBFF""#,
    #""\uDC00\uDC00""#, #""\uDE00\uD83D""#, #""\uD800\uD800\uDC00""#,
  ]

  /// Bytes of one string, by RFC 3629.
  static let wellFormed: [[UInt8]] = [
    [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xE0, 0xBF, 0xBF], [0xED, 0x80, 0x80],
    [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80], [0xEF, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80],
    [0xF3, 0xBF, 0xBF, 0xBF], [0xF4, 0x80, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF],
  ]

  static let illFormed: [[UInt8]] = [
    [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x22], [0xC2, 0xC2, 0x80],
    [0xC2, 0x7F],
    [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xE1, 0x80], [0xE1, 0x80, 0x41], [0xED, 0xA0, 0x80],
    [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x90, 0x80],
    [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE],
    [0xFF],
    [0xC2, 0x80, 0x80],
  ]

  static func quoted(_ bytes: [UInt8]) -> [UInt8] { [0x22] + bytes + [0x22] }
  /// An object that holds the value, as the scanner reads objects only.
  static func held(_ value: [UInt8]) -> [UInt8] { Array(#"{"v":"#.utf8) + value + [0x7D] }
}
