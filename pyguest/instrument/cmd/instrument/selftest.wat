;; What the command runs before and after to verify itself: each export takes a number and returns one.
(module
  (import "faas" "yield" (func $yield))
  (memory 64)
  ;; n iterations of a leaf loop.
  (func $leaf (export "leaf") (param $n i32) (result i32) (local $x i32)
    (loop $l
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) (local.get $n)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (local.get $n)))
    (local.get $x))
  ;; n iterations of a loop that calls a leaf loop of 3 iterations.
  (func (export "calling") (param $n i32) (result i32) (local $x i32)
    (block $done
      (loop $l
        (local.set $x (i32.xor (i32.rotl (local.get $x) (i32.const 1)) (call $leaf (i32.const 3))))
        (br_if $done (i32.eqz (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (br $l)))
    (local.get $x))
  ;; n calls without any loop.
  (func $halve (param $n i32) (result i32)
    (if (i32.le_u (local.get $n) (i32.const 1)) (then (return (i32.const 1))))
    (i32.add
      (call $halve (i32.shr_u (local.get $n) (i32.const 1)))
      (call $halve (i32.sub (i32.sub (local.get $n) (i32.shr_u (local.get $n) (i32.const 1))) (i32.const 1)))))
  (func (export "recursive") (param $n i32) (result i32) (call $halve (local.get $n)))
  ;; 64 n bytes filled, and moved up and down.
  (func (export "bulk") (param $n i32) (result i32)
    (local.set $n (i32.mul (local.get $n) (i32.const 64)))
    (memory.fill (i32.const 0) (i32.const 7) (local.get $n))
    (i32.store (i32.const 100) (i32.const 0x12345678))
    (memory.copy (i32.const 1) (i32.const 0) (local.get $n))
    (memory.copy (i32.const 0) (i32.const 3) (local.get $n))
    (i32.add (i32.load (i32.const 98)) (i32.load8_u (i32.sub (local.get $n) (i32.const 1))))))
