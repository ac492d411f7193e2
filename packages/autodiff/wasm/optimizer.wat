;; Kernels of the optimizer over one imported memory. Pointers are byte addresses; lengths are in bytes and multiples
;; of 64 (the layout pads every tensor with zeros). float32 data, sums in float64 in a fixed order.
(module
  (import "env" "memory" (memory 1 65536))

  ;; Sum of x^2, in four pairs of lanes that are added at the end.
  (func (export "sumSquares") (param $x i32) (param $bytes i32) (result f64)
    (local $end i32) (local $a v128) (local $b v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128) (local $t v128)
    (local.set $end (i32.add (local.get $x) (local.get $bytes)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $x) (local.get $end)))
        (local.set $a (v128.load (local.get $x)))
        (local.set $b (v128.load offset=16 (local.get $x)))
        (local.set $t (f64x2.promote_low_f32x4 (local.get $a)))
        (local.set $s0 (f64x2.add (local.get $s0) (f64x2.mul (local.get $t) (local.get $t))))
        (local.set $t (f64x2.promote_low_f32x4
          (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $a) (local.get $a))))
        (local.set $s1 (f64x2.add (local.get $s1) (f64x2.mul (local.get $t) (local.get $t))))
        (local.set $t (f64x2.promote_low_f32x4 (local.get $b)))
        (local.set $s2 (f64x2.add (local.get $s2) (f64x2.mul (local.get $t) (local.get $t))))
        (local.set $t (f64x2.promote_low_f32x4
          (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $b) (local.get $b))))
        (local.set $s3 (f64x2.add (local.get $s3) (f64x2.mul (local.get $t) (local.get $t))))
        (local.set $x (i32.add (local.get $x) (i32.const 32)))
        (br $next)))
    (local.set $t (f64x2.add
      (f64x2.add (local.get $s0) (local.get $s1)) (f64x2.add (local.get $s2) (local.get $s3))))
    (f64.add (f64x2.extract_lane 0 (local.get $t)) (f64x2.extract_lane 1 (local.get $t))))

  ;; sum = weight * x when $first, else sum + weight * x.
  (func (export "accumulate") (param $sum i32) (param $x i32) (param $bytes i32) (param $weight f32) (param $first i32)
    (local $end i32) (local $w v128) (local $t v128)
    (local.set $end (i32.add (local.get $x) (local.get $bytes)))
    (local.set $w (f32x4.splat (local.get $weight)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $x) (local.get $end)))
        (local.set $t (f32x4.mul (local.get $w) (v128.load (local.get $x))))
        (if (i32.eqz (local.get $first))
          (then (local.set $t (f32x4.add (v128.load (local.get $sum)) (local.get $t)))))
        (v128.store (local.get $sum) (local.get $t))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (local.set $sum (i32.add (local.get $sum) (i32.const 16)))
        (br $next))))

  ;; g += mu * (p - anchor); returns the sum of (p - anchor)^2.
  (func (export "proximal") (param $g i32) (param $p i32) (param $anchor i32) (param $bytes i32) (param $mu f32)
    (result f64)
    (local $end i32) (local $m v128) (local $d v128) (local $t v128) (local $s0 v128) (local $s1 v128)
    (local.set $end (i32.add (local.get $p) (local.get $bytes)))
    (local.set $m (f32x4.splat (local.get $mu)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $p) (local.get $end)))
        (local.set $d (f32x4.sub (v128.load (local.get $p)) (v128.load (local.get $anchor))))
        (v128.store (local.get $g)
          (f32x4.add (v128.load (local.get $g)) (f32x4.mul (local.get $m) (local.get $d))))
        (local.set $t (f64x2.promote_low_f32x4 (local.get $d)))
        (local.set $s0 (f64x2.add (local.get $s0) (f64x2.mul (local.get $t) (local.get $t))))
        (local.set $t (f64x2.promote_low_f32x4
          (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $d) (local.get $d))))
        (local.set $s1 (f64x2.add (local.get $s1) (f64x2.mul (local.get $t) (local.get $t))))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (local.set $anchor (i32.add (local.get $anchor) (i32.const 16)))
        (br $next)))
    (local.set $t (f64x2.add (local.get $s0) (local.get $s1)))
    (f64.add (f64x2.extract_lane 0 (local.get $t)) (f64x2.extract_lane 1 (local.get $t))))

  ;; g = gradScale * g (in registers); m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
  ;; p = decay * p - stepSize * m / (sqrt(v) * rootScale + eps).
  (func (export "adamw") (param $p i32) (param $m i32) (param $v i32) (param $g i32) (param $bytes i32)
    (param $gradScale f32) (param $b1 f32) (param $b1c f32) (param $b2 f32) (param $b2c f32)
    (param $decay f32) (param $stepSize f32) (param $rootScale f32) (param $eps f32)
    (local $end i32) (local $grad v128) (local $first v128) (local $second v128)
    (local $vs v128) (local $vb1 v128) (local $vb1c v128) (local $vb2 v128) (local $vb2c v128)
    (local $vdecay v128) (local $vstep v128) (local $vroot v128) (local $veps v128)
    (local.set $end (i32.add (local.get $p) (local.get $bytes)))
    (local.set $vs (f32x4.splat (local.get $gradScale)))
    (local.set $vb1 (f32x4.splat (local.get $b1)))
    (local.set $vb1c (f32x4.splat (local.get $b1c)))
    (local.set $vb2 (f32x4.splat (local.get $b2)))
    (local.set $vb2c (f32x4.splat (local.get $b2c)))
    (local.set $vdecay (f32x4.splat (local.get $decay)))
    (local.set $vstep (f32x4.splat (local.get $stepSize)))
    (local.set $vroot (f32x4.splat (local.get $rootScale)))
    (local.set $veps (f32x4.splat (local.get $eps)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $p) (local.get $end)))
        (local.set $grad (f32x4.mul (local.get $vs) (v128.load (local.get $g))))
        (local.set $first (f32x4.add
          (f32x4.mul (local.get $vb1) (v128.load (local.get $m)))
          (f32x4.mul (local.get $vb1c) (local.get $grad))))
        (v128.store (local.get $m) (local.get $first))
        (local.set $second (f32x4.add
          (f32x4.mul (local.get $vb2) (v128.load (local.get $v)))
          (f32x4.mul (local.get $vb2c) (f32x4.mul (local.get $grad) (local.get $grad)))))
        (v128.store (local.get $v) (local.get $second))
        (v128.store (local.get $p) (f32x4.sub
          (f32x4.mul (local.get $vdecay) (v128.load (local.get $p)))
          (f32x4.div
            (f32x4.mul (local.get $vstep) (local.get $first))
            (f32x4.add (f32x4.mul (f32x4.sqrt (local.get $second)) (local.get $vroot)) (local.get $veps)))))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (local.set $m (i32.add (local.get $m) (i32.const 16)))
        (local.set $v (i32.add (local.get $v) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (br $next)))))
