;; Every shape of control flow around loops. Functions take one or two numbers and return one.
(module
  (import "faas" "yield" (func $yield))
  (memory (export "memory") 1)
  (global $work (export "work") (mut i32) (i32.const 0))
  (table funcref (elem $leaf $indirect))
  (type $unary (func (param i32) (result i32)))

  (func $count (export "count") (param $n i32) (result i32) (local $i i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $i))

  ;; Loops in loops, left by branches over several of them.
  (func (export "nested") (param $n i32) (param $m i32) (result i32) (local $i i32) (local $j i32) (local $k i32) (local $sum i32)
    (block $done
      (loop $a
        (local.set $j (i32.const 0))
        (loop $b
          (local.set $k (i32.const 0))
          (loop $c
            (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 3)) (i32.xor (local.get $k) (local.get $j))))
            (br_if $done (i32.eq (local.get $sum) (i32.const 12345)))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $c (i32.lt_u (local.get $k) (local.get $m))))
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (br_if $b (i32.lt_u (local.get $j) (local.get $n))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $a (i32.lt_u (local.get $i) (local.get $n)))))
    (local.get $sum))

  ;; A loop that takes and leaves values on the stack, with more values below it.
  (func (export "params") (param $n i32) (result i32)
    (i32.const 1000)
    (i32.const 1)
    (i64.const 2)
    (loop $l (param i32 i64) (result i32 i64)
      (i64.add (i64.const 3))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (i32.wrap_i64)
      (i32.add)
      (i64.const 7)
      (br_if $l (i32.gt_s (local.get $n) (i32.const 0))))
    (i32.wrap_i64)
    (i32.add)
    (i32.add))

  ;; A loop with one result and no parameters, left by fall-through and by a branch with the value.
  (func (export "result") (param $n i32) (result i32)
    (block $out (result i32)
      (loop $l (result i32)
        (local.set $n (i32.sub (local.get $n) (i32.const 3)))
        (drop (br_if $out (i32.const 77) (i32.eq (local.get $n) (i32.const 1))))
        (br_if $l (i32.gt_s (local.get $n) (i32.const 0)))
        (i32.const 55))))

  ;; br_table with back edges to both loops, to a block between them, and to the function.
  (func (export "table") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (loop $outer
      (local.set $sum (i32.add (local.get $sum) (i32.const 1000)))
      (block $between
        (loop $inner
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
          (if (i32.ge_u (local.get $i) (local.get $n)) (then (return (local.get $sum))))
          (br_table $inner $between $outer $inner $between
            (i32.rem_u (i32.mul (local.get $i) (i32.const 7)) (i32.const 6)))))
      (local.set $sum (i32.add (local.get $sum) (i32.const 50000)))
      (br $outer))
    (unreachable))

  ;; A branch with a value out of loops to the function, by br_if and br_table.
  (func (export "leave") (param $n i32) (result i32) (local $i i32)
    (loop $a
      (loop $b
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (drop (br_if 2 (local.get $i) (i32.eq (local.get $i) (local.get $n))))
        (br_if $b (i32.and (local.get $i) (i32.const 15)))
        (if (i32.gt_u (local.get $i) (i32.const 1000))
          (then (br_table 3 3 (i32.const 99) (local.get $n)))))
      (br $a))
    (unreachable))

  ;; Loops where no control flow ever comes.
  (func (export "unreachable") (param $n i32) (result i32)
    (block $b
      (br $b)
      (loop $l (br_if $l (i32.const 1)) (loop (br 1) (br_table 0 1 2 (i32.const 0)))))
    (if (local.get $n)
      (then (return (i32.const 5)) (loop (br 0)))
      (else (loop $m
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $m (i32.lt_u (local.get $n) (i32.const 300))))))
    (block $never (result i32)
      (br $never (local.get $n))
      (loop (param i32) (result i32) (br_if 0 (i32.const 1)))))

  ;; Loops in both arms of an if, and an if with results in a loop.
  (func (export "arms") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (loop $top
      (if (result i32) (i32.and (local.get $i) (i32.const 1))
        (then
          (loop $x (result i32)
            (local.set $sum (i32.add (local.get $sum) (i32.const 2)))
            (br_if $x (i32.and (local.get $sum) (i32.const 14)))
            (i32.const 1)))
        (else
          (block $y (result i32)
            (loop $z (br $y (i32.const 3)) (br $z))
            (i32.const 9))))
      (local.set $sum (i32.add (local.get $sum)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $top (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $sum))

  ;; Block types by value type other than numbers, and immediates of many kinds in a loop.
  (func (export "immediates") (param $n i32) (result i32) (local $v v128)
    (loop $l (result funcref)
      (local.set $v (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $v) (v128.const i32x4 1 2 3 4)))
      (v128.store8_lane offset=4 3 (i32.const 64) (local.get $v))
      (local.set $v (i8x16.replace_lane 5 (local.get $v) (v128.any_true (local.get $v))))
      (local.set $v (i64x2.extmul_high_i32x4_u (local.get $v) (v128.load32_zero (i32.const 8))))
      (drop (f64.add (f64.const 0x1.0b0b0b0b0b0b0p+3) (f64.const 3)))
      (drop (f32.const 0x1.0b0b0bp+3))
      (drop (i64.const 0x0b03400b0340))
      (drop (i32.trunc_sat_f64_s (f64.const 1e300)))
      (drop (ref.is_null (select (result externref) (ref.null extern) (ref.null extern) (i32.const 1))))
      (drop (table.size 0))
      (drop (table.get 0 (i32.const 0)))
      (i32.store16 offset=1000 align=1 (i32.const 2) (local.get $n))
      (drop (memory.size))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (local.get $n))
      (ref.func $leaf))
    (drop)
    (i32x4.extract_lane 1 (local.get $v)))

  (func $leaf (param $n i32) (result i32) (local $i i32)
    (loop $l
      (global.set $work (i32.add (global.get $work) (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $i))

  (func (export "plain") (param $n i32) (param $unused i32) (result i32)
    (call $leaf (local.get $n)))

  ;; A loop of n rounds around a leaf loop of m rounds, in another function.
  (func $across (export "across") (param $n i32) (param $m i32) (result i32) (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (call $leaf (local.get $m))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (i32.gt_s (local.get $n) (i32.const 0))))
    (local.get $sum))

  ;; One more loop in one more function.
  (func (export "across3") (param $n i32) (param $m i32) (result i32) (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (call $across (local.get $m) (local.get $m))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (i32.gt_s (local.get $n) (i32.const 0))))
    (local.get $sum))

  ;; Recursion without any loop: direct, mutual, indirect.
  (func $fib (param $n i32) (result i32)
    (global.set $work (i32.add (global.get $work) (i32.const 1)))
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add (call $fib (i32.sub (local.get $n) (i32.const 1))) (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
  (func (export "recursive") (param $n i32) (param $unused i32) (result i32) (call $fib (local.get $n)))

  (func $ping (param $n i32) (result i32)
    (global.set $work (i32.add (global.get $work) (i32.const 1)))
    (if (i32.eqz (local.get $n)) (then (return (i32.const 1))))
    (i32.add (call $pong (i32.sub (local.get $n) (i32.const 1))) (call $pong (i32.sub (local.get $n) (i32.const 1)))))
  (func $pong (param $n i32) (result i32)
    (global.set $work (i32.add (global.get $work) (i32.const 1)))
    (if (i32.eqz (local.get $n)) (then (return (i32.const 2))))
    (i32.add (call $ping (i32.sub (local.get $n) (i32.const 1))) (call $ping (i32.sub (local.get $n) (i32.const 1)))))
  (func (export "mutual") (param $n i32) (param $unused i32) (result i32) (call $ping (local.get $n)))

  (func $indirect (param $n i32) (result i32)
    (global.set $work (i32.add (global.get $work) (i32.const 1)))
    (if (i32.eqz (local.get $n)) (then (return (i32.const 1))))
    (i32.add
      (call_indirect (type $unary) (i32.sub (local.get $n) (i32.const 1)) (i32.const 1))
      (call_indirect (type $unary) (i32.sub (local.get $n) (i32.const 1)) (i32.const 1))))
  (func (export "indirect") (param $n i32) (param $unused i32) (result i32) (call $indirect (local.get $n)))

  ;; Recursion from inside of a loop of two rounds.
  (func $tree (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (global.set $work (i32.add (global.get $work) (i32.const 1)))
    (if (i32.eqz (local.get $n)) (then (return (i32.const 1))))
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (call $tree (i32.sub (local.get $n) (i32.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 2))))
    (local.get $sum))
  (func (export "tree") (param $n i32) (param $unused i32) (result i32) (call $tree (local.get $n)))

  ;; A trap in the midst of a loop.
  (func (export "trap") (param $n i32) (result i32)
    (loop $l
      (i32.store (i32.const 0) (local.get $n))
      (drop (i32.div_u (i32.const 1) (local.get $n)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $l))
    (unreachable))
)
