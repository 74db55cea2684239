;; What the modules of the tests import: an immutable global, which only a module can export.
(module
  (import "host" "before" (func $before (param i64)))
  (export "before" (func $before))
  (global (export "base") i32 (i32.const 7)))
