// Includes only: SwiftPM does not rebuild when a header of a system module changes.
#pragma once
#include <sqlite3.h>
