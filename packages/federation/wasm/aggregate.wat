;; Kernels of aggregation: the weighted sum of float32 inputs in float64 accumulators, and the finite check.
;; All counts are elements and multiples of 4 (callers pad); addresses are multiples of 16. No fused
;; multiply-add: every product and every sum rounds to float64 on its own, so results do not depend on the CPU.
(module
  (memory (export "memory") 1)

  ;; acc[i] = weight * x[i]
  (func (export "scale") (param $x i32) (param $count i32) (param $weight f64) (param $acc i32)
    (local $end i32) (local $w v128) (local $v v128)
    (local.set $w (f64x2.splat (local.get $weight)))
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (local.set $v (v128.load (local.get $x)))
        (v128.store (local.get $acc)
          (f64x2.mul (local.get $w) (f64x2.promote_low_f32x4 (local.get $v))))
        (v128.store offset=16 (local.get $acc)
          (f64x2.mul (local.get $w) (f64x2.promote_low_f32x4
            (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $v) (local.get $v)))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (local.set $acc (i32.add (local.get $acc) (i32.const 32)))
        (br $next))))

  ;; acc[i] += weight * x[i]
  (func (export "accumulate") (param $x i32) (param $count i32) (param $weight f64) (param $acc i32)
    (local $end i32) (local $w v128) (local $v v128)
    (local.set $w (f64x2.splat (local.get $weight)))
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (local.set $v (v128.load (local.get $x)))
        (v128.store (local.get $acc)
          (f64x2.add (v128.load (local.get $acc))
            (f64x2.mul (local.get $w) (f64x2.promote_low_f32x4 (local.get $v)))))
        (v128.store offset=16 (local.get $acc)
          (f64x2.add (v128.load offset=16 (local.get $acc))
            (f64x2.mul (local.get $w) (f64x2.promote_low_f32x4
              (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $v) (local.get $v))))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (local.set $acc (i32.add (local.get $acc) (i32.const 32)))
        (br $next))))

  ;; out[i] = float32(acc[i])
  (func (export "finish") (param $acc i32) (param $count i32) (param $out i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $out) (local.get $end)))
        (v128.store (local.get $out)
          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
            (f32x4.demote_f64x2_zero (v128.load (local.get $acc)))
            (f32x4.demote_f64x2_zero (v128.load offset=16 (local.get $acc)))))
        (local.set $acc (i32.add (local.get $acc) (i32.const 32)))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (br $next))))

  ;; 1 when no x[i] is NaN or infinite (exponent bits all ones), else 0
  (func (export "allFinite") (param $x i32) (param $count i32) (result i32)
    (local $end i32) (local $exponent v128) (local $bad v128)
    (local.set $exponent (i32x4.splat (i32.const 0x7f800000)))
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (local.set $bad (v128.or (local.get $bad)
          (i32x4.eq (v128.and (v128.load (local.get $x)) (local.get $exponent)) (local.get $exponent))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br $next)))
    (i32.eqz (v128.any_true (local.get $bad)))))
