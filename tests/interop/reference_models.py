"""The models that the built-in ones must equal: torchvision's, and the few that it does not have,
made of its parts."""
import torch
import torchvision
from torch import nn

# Options that make a pass repeatable, by the beginning of the model's name.
QUIET = {"mobilenet": {"dropout": 0.0}, "efficientnet": {"dropout": 0.0, "stochastic_depth_prob": 0.0},
         "convnext": {"stochastic_depth_prob": 0.0}}
# By name: the options that both sides take. Images are small for speed.
TORCHVISION = {name: {} for name in (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2", "mobilenet_v2", "mobilenet_v3_small",
    "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", "convnext_small", "convnext_base",
    "convnext_large")}
TORCHVISION |= {"vit_b_16": {"image_size": 32}, "vit_b_32": {"image_size": 64},
                "vit_l_16": {"image_size": 32}, "vit_l_32": {"image_size": 64}}


def quiet(name):
    return next((options for start, options in QUIET.items() if name.startswith(start)), {})


def torchvision_model(name, options):
    return getattr(torchvision.models, name)(**options)


def initialised(convolution):
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


def small_input_resnet(name, in_channels):
    """As people change torchvision's for images of 32x32."""
    model = torchvision_model(name, {"num_classes": 10})
    model.conv1 = initialised(nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False))
    model.maxpool = nn.Identity()
    return model


class NarrowResNet(torchvision.models.ResNet):
    """With a quarter of the channels."""

    def __init__(self, block, layers, num_classes):
        super().__init__(block, layers)
        self.conv1 = initialised(nn.Conv2d(3, 16, 7, 2, 3, bias=False))
        self.bn1 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(128 * block.expansion, num_classes)

    def _make_layer(self, block, planes, *more, **named):
        if planes == 64:  # the first
            self.inplanes = 16
        return super()._make_layer(block, planes // 4, *more, **named)


class SharedNorm(nn.Module):
    """A deep stem in the place of torchvision's first convolution: it ends before the BatchNorm that
    all three share."""

    def __init__(self, model):
        super().__init__()
        self.convs = [model.conv1, initialised(nn.Conv2d(64, 64, 3, 1, 1, bias=False)),
                      initialised(nn.Conv2d(64, 64, 3, 1, 1, bias=False))]
        self.norm = [model.bn1]  # in a list: it is the model's module, not this one's

    def forward(self, x):
        first, *more = self.convs
        x = first(x)
        for conv in more:
            x = conv(torch.relu(self.norm[0](x)))
        return x


class LabResNet(nn.Module):
    def __init__(self, name, stem_type="7x7", deep_stem=False, avg_down=True):
        super().__init__()
        model = torchvision_model(name, {"num_classes": 10})
        if stem_type == "3x3":
            model.conv1 = initialised(nn.Conv2d(3, 64, 3, 2, 1, bias=False))
        for block in model.modules():
            if avg_down and getattr(block, "downsample", None):
                conv, norm = block.downsample
                pool = nn.AvgPool2d(conv.stride, conv.stride, ceil_mode=True, count_include_pad=False)
                conv.stride = (1, 1)
                block.downsample = nn.Sequential(pool, conv, norm)
        self.stem = [SharedNorm(model) if deep_stem else model.conv1]
        self.conv1 = model.conv1
        if deep_stem:
            self.conv2, self.conv3 = self.stem[0].convs[1:]
        self.bn1 = model.bn1
        for part in ("layer1", "layer2", "layer3", "layer4", "fc"):
            setattr(self, part, getattr(model, part))

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.stem[0](x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(48, 20), nn.Linear(20, 12), nn.Linear(12, 5)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x.flatten(1))))))


class LeNet5(nn.Module):
    def __init__(self, padding):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=padding), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = nn.functional.max_pool2d(torch.relu(conv(x)), 2)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x.flatten(1))))))


# Name of the case: our options, the model that makes the reference, the shape of an input.
OTHERS = {
    "small images": ({"type": "resnet18", "small_input": True, "num_classes": 10, "in_channels": 1},
                     lambda: small_input_resnet("resnet18", 1), (1, 32, 32)),
    "narrow": ({"type": "resnet18", "base_channels": 16, "num_classes": 10},
               lambda: NarrowResNet(torchvision.models.resnet.BasicBlock, [2, 2, 2, 2], 10), (3, 64, 64)),
    "labresnet18": ({"type": "labresnet18", "num_classes": 10}, lambda: LabResNet("resnet18"), (3, 70, 70)),
    "labresnet50, deep": ({"type": "labresnet50", "num_classes": 10, "stem_type": "3x3", "deep_stem": True},
                          lambda: LabResNet("resnet50", "3x3", True), (3, 64, 64)),
    "labresnet34 as resnet34": ({"type": "labresnet34", "num_classes": 10, "avg_down": False},
                                lambda: torchvision_model("resnet34", {"num_classes": 10}), (3, 64, 64)),
    "mlp": ({"type": "mlp", "in_features": 48, "hidden": [20, 12], "num_classes": 5}, MLP, (3, 4, 4)),
    "lenet5": ({"type": "lenet5"}, lambda: LeNet5(2), (1, 28, 28)),
    "lenet5, 32x32": ({"type": "lenet5", "image_size": 32}, lambda: LeNet5(0), (1, 32, 32)),
}
