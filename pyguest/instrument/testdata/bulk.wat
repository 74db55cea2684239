;; memory.copy and memory.fill over a memory of 3 MiB.
(module
  (import "faas" "yield" (func $yield))
  (memory (export "memory") 48)
  (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))
