"""Writes a golden directory for `npm run golden -- <dir>` from LeRobot's own SmolVLA code.

Needs torch, transformers and a LeRobot source tree on PYTHONPATH; not needed to build or test zk0.
Usage: make_smolvla_golden.py <name> <out-dir>      (names: the keys of CONFIGS)
The tiny VLM is made from its configuration with random weights; only the processor of the VLM, which SmolVLA
asks for two token ids, is replaced.
"""

import copy
import json
import sys
import types
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoProcessor, SmolVLMConfig

BASE = {
    "B": 2,
    "vision": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
               "image_size": 64, "patch_size": 16},
    "text": {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 5, "num_attention_heads": 3,
             "num_key_value_heads": 1, "vocab_size": 64},
    "scale_factor": 2, "fake": 61, "glob": 62,
    "policy": {"chunk_size": 10, "n_action_steps": 10, "max_state_dim": 8, "max_action_dim": 8,
               "resize_imgs_with_padding": [64, 64], "empty_cameras": 0, "tokenizer_max_length": 8, "num_steps": 10,
               "num_vlm_layers": 4, "num_expert_layers": 0, "prefix_length": 0, "self_attn_every_n_layers": 2,
               "expert_width_multiplier": 0.75, "optimizer_lr": 0.001},
    "state_dim": 6, "action_dim": 6,
    "cams": {"observation.images.camera1": [48, 64], "observation.images.camera2": [40, 56]},
    "missing": [], "lang_len": 8, "lang_valid": [5, 8], "pad": [[0, 10], [6, 10]], "cam_mask": {},
}


def merged(seed, **changes):
    config = copy.deepcopy(BASE)
    config["seed"] = seed
    for key, value in changes.items():
        if isinstance(value, dict) and key in ("policy", "vision", "text"):
            config[key].update(value)
        else:
            config[key] = value
    return config


CONFIGS = {
    # special image tokens, prefix padding, three cameras, more key-value heads
    "B": merged(21, B=3, scale_factor=2, text={"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
                                                "num_hidden_layers": 6},
                policy={"add_image_special_tokens": True, "prefix_length": 40, "num_vlm_layers": 6, "chunk_size": 7, "n_action_steps": 5},
                cams={"observation.images.top": [30, 40], "observation.images.left": [64, 64],
                      "observation.images.wrist": [70, 33]},
                lang_valid=[3, 8, 6], pad=[], cam_mask={"observation.images.left": [False, True, True]}),
    # one camera, every third layer self-attention, narrow expert, odd padding, two empty cameras
    "C": merged(31, B=1, scale_factor=4, policy={"self_attn_every_n_layers": 3, "expert_width_multiplier": 0.5,
                                                   "empty_cameras": 2, "num_vlm_layers": 5, "max_state_dim": 12,
                                                   "max_action_dim": 9, "num_steps": 4},
                cams={"observation.images.front": [33, 90]},
                missing=["observation.images.a", "observation.images.b", "observation.images.c"],
                lang_valid=[2], pad=[[3, 10]], state_dim=12, action_dim=7),
    # all trainable but the vision tower, state_proj frozen
    "D": merged(41, policy={"train_expert_only": False, "freeze_vision_encoder": True, "train_state_proj": False}),
    # everything trainable
    "E": merged(51, policy={"train_expert_only": False, "freeze_vision_encoder": False, "chunk_size": 4,
                            "n_action_steps": 4}, pad=[[1, 4]]),
    # an expert layer every third layer (LeRobot can train but not sample such a model)
    "G": merged(71, text={"num_hidden_layers": 6}, policy={"num_vlm_layers": 6, "num_expert_layers": 2}),
    # no self-attention layers of the expert at all except layer 0 (n larger than the depth)
    "F": merged(61, policy={"self_attn_every_n_layers": 7, "num_expert_layers": 4, "optimizer_lr": 0.002}),
}


def make_policy(cfg):
    text = dict(cfg["text"], head_dim=cfg["text"]["hidden_size"] // cfg["text"]["num_attention_heads"],
                model_type="llama", pad_token_id=2, rms_norm_eps=1e-5, max_position_embeddings=512)
    vlm = SmolVLMConfig(text_config=text, vision_config=dict(cfg["vision"], model_type="smolvlm_vision"),
                        scale_factor=cfg["scale_factor"], image_token_id=60)
    tokenizer = types.SimpleNamespace(fake_image_token_id=cfg["fake"], global_image_token_id=cfg["glob"])
    AutoConfig.from_pretrained = classmethod(lambda cls, *a, **k: copy.deepcopy(vlm))
    AutoProcessor.from_pretrained = classmethod(lambda cls, *a, **k: types.SimpleNamespace(tokenizer=tokenizer))

    from lerobot.configs import FeatureType, PolicyFeature
    from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

    cameras = list(cfg["cams"]) + cfg["missing"]
    policy_cfg = SmolVLAConfig(
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (cfg["state_dim"],)),
                        **{c: PolicyFeature(FeatureType.VISUAL, (3, 64, 64)) for c in cameras}},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (cfg["action_dim"],))},
        device="cpu", load_vlm_weights=False,
        **{k: tuple(v) if k == "resize_imgs_with_padding" else v for k, v in cfg["policy"].items()})
    torch.manual_seed(cfg["seed"])
    policy = SmolVLAPolicy(policy_cfg).float()
    with torch.no_grad():  # unit-scale activations: the default initialisation is too small to show mistakes
        for name, p in policy.named_parameters():
            if p.ndim > 1:
                p.normal_(0, 1.2 / p.shape[1] ** 0.5 if p.ndim == 2 and "embed_tokens" not in name else 0.15)
            elif "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            else:
                p.normal_(0, 0.1)
    return policy


def make_batch(cfg):
    g = torch.Generator().manual_seed(cfg["seed"] + 1)
    b, chunk = cfg["B"], cfg["policy"]["chunk_size"]
    batch = {"observation.state": torch.randn(b, cfg["state_dim"], generator=g),
             "action": torch.randn(b, chunk, cfg["action_dim"], generator=g)}
    for camera, (h, w) in cfg["cams"].items():
        batch[camera] = torch.rand(b, 3, h, w, generator=g)
    for camera, mask in cfg["cam_mask"].items():
        batch[f"{camera}_padding_mask"] = torch.tensor(mask)
    tokens = torch.randint(3, 60, (b, cfg["lang_len"]), generator=g)
    mask = torch.arange(cfg["lang_len"])[None] < torch.tensor(cfg["lang_valid"])[:, None]
    batch["observation.language.tokens"] = torch.where(mask, tokens, torch.tensor(2))
    batch["observation.language.attention_mask"] = mask
    if cfg["pad"]:
        is_pad = torch.zeros(b, chunk, dtype=torch.bool)
        for row, (start, end) in enumerate(cfg["pad"]):
            if start > 0:
                is_pad[row, start:end] = True
        batch["action_is_pad"] = is_pad
    noise = torch.randn(b, chunk, cfg["policy"]["max_action_dim"], generator=g)
    time = torch.rand(b, generator=g) * 0.999 + 0.001
    time[-1] = 0.001
    return batch, noise, time


def adamw_trace(policy, cfg, batch, noise, time, steps, lr_of, clip):
    policy = copy.deepcopy(policy)
    params = [p for p in policy.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=1e-10)
    trace = []
    for step in range(steps):
        lr = lr_of(step)
        for group in opt.param_groups:
            group["lr"] = lr
        loss, _ = policy.forward(dict(batch), noise, time)
        opt.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(params, clip)
        opt.step()
        trace.append({"step": step, "loss": loss.item(), "grad_norm_before_clip": norm.item(), "lr_used": lr})
    with torch.no_grad():
        loss, _ = policy.forward(dict(batch), noise, time)
    trace.append({"step": steps, "loss": loss.item()})
    return trace, {n: p.detach().clone() for n, p in policy.named_parameters() if p.requires_grad}


def sampled(policy, cfg, args, noise, rtc):
    from lerobot.policies.rtc.configuration_rtc import RTCAttentionSchedule, RTCConfig
    with torch.no_grad():
        plain = policy.model.sample_actions(*args, noise=noise.clone())
    policy.config.rtc_config = RTCConfig(enabled=True, max_guidance_weight=rtc["max_guidance_weight"],
                                         prefix_attention_schedule=RTCAttentionSchedule[rtc["schedule"]],
                                         execution_horizon=rtc["execution_horizon"])
    policy.init_rtc_processor()
    previous = torch.randn(cfg["B"], cfg["policy"]["chunk_size"] - 1, cfg["action_dim"],
                           generator=torch.Generator().manual_seed(cfg["seed"] + 2))
    with torch.no_grad():
        guided = policy.model.sample_actions(
            *args, noise=noise.clone(), inference_delay=rtc["inference_delay"], prev_chunk_left_over=previous,
            execution_horizon=rtc["execution_horizon"])
    policy.config.rtc_config = None
    policy.model.rtc_processor = None
    return {"out.sample_actions": plain, "rtc.prev_chunk_left_over": previous, "rtc.sample_actions": guided}


def scheduled_lr(cfg, sched):
    import math
    peak, warmup, decay = cfg["policy"]["optimizer_lr"], sched["warmup"], sched["decay"]

    def lr(step):
        if step < warmup:
            return peak * (1 / (warmup + 1) if step == 0 else (1 / (warmup + 1) - 1) * (1 - step / warmup) + 1)
        alpha = sched["decay_lr"] / peak
        return peak * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * min(step, decay) / decay)) + alpha)
    return lr


def main():
    name, out = sys.argv[1], Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    cfg = dict(CONFIGS[name], name=name)
    policy = make_policy(cfg)
    batch, noise, time = make_batch(cfg)
    save_file({k: v.contiguous().clone() for k, v in policy.state_dict().items()}, out / "model.safetensors",
              metadata={"format": "pt"})
    tensors = {f"batch.{k}": v.contiguous() for k, v in batch.items()}
    tensors |= {"batch.noise": noise, "batch.time": time}

    images, masks = policy.prepare_images(dict(batch))
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        tensors[f"prep.image.{i}"], tensors[f"prep.image_mask.{i}"] = image.contiguous(), mask.contiguous()
    tensors["prep.state"] = policy.prepare_state(dict(batch))
    tensors["prep.actions"] = policy.prepare_action(dict(batch))

    loss, loss_dict = policy.forward(dict(batch), noise, time)
    loss.backward()
    with torch.no_grad():
        tensors["out.loss_per_sample"] = policy.forward(dict(batch), noise, time, reduction="none")[0]
        tensors["mid.connector.0"] = policy.model.vlm_with_expert.embed_image(images[0]).contiguous()
        tensors["out.losses"] = policy.model.forward(images, masks, batch["observation.language.tokens"],
                                                     batch["observation.language.attention_mask"],
                                                     policy.prepare_state(dict(batch)),
                                                     policy.prepare_action(dict(batch)), noise, time)
    grads = {f"grad.{n}": p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}
    trainable = [n for n, p in policy.named_parameters() if p.requires_grad]
    args = (images, masks, batch["observation.language.tokens"], batch["observation.language.attention_mask"],
            policy.prepare_state(dict(batch)))
    policy.eval()
    rtc = {"inference_delay": 2, "execution_horizon": 5, "schedule": "EXP" if name == "C" else "LINEAR",
           "max_guidance_weight": 10.0}
    can_sample = cfg["policy"]["num_expert_layers"] in (0, cfg["policy"]["num_vlm_layers"])
    if can_sample:
        tensors |= sampled(policy, cfg, args, noise, rtc)

    sched = {"warmup": 2, "decay": 20, "decay_lr": 2.5e-5, "clip": 0.5}
    const, after = adamw_trace(policy, cfg, batch, noise, time, 3, lambda step: 1e-3, 10.0)
    scheduled, _ = adamw_trace(policy, cfg, batch, noise, time, 5, scheduled_lr(cfg, sched), sched["clip"])
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, out / "golden.safetensors")
    save_file({k: v.contiguous() for k, v in grads.items()}, out / "grads.safetensors")
    save_file({k: v.contiguous() for k, v in after.items()}, out / "params_after_3_steps.safetensors")
    (out / "golden.json").write_text(json.dumps({
        "config": cfg, "loss": loss.item(), "loss_dict": loss_dict, "trainable_names": trainable,
        "trainable_without_grad": [n for n, p in policy.named_parameters() if p.requires_grad and p.grad is None],
        "n_params": sum(p.numel() for p in policy.parameters()),
        "n_trainable": sum(p.numel() for p in policy.parameters() if p.requires_grad),
        "adamw_const_lr": const, "adamw_lerobot_sched_clip0.5": scheduled, "sched": sched, "rtc": rtc}, indent=1))
    print(name, "loss", loss.item())


if __name__ == "__main__":
    main()
