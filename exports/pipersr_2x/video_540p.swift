// Upscales the frames of a video with video_540p.mlpackage: 960x540 in, 1920x1080 out.
//
//     swiftc -O video_540p.swift -o frames && ./frames clip.mp4
//
// Written from Apple's documentation: not compiled and not measured where it was made. macOS 13 or later.
// Three stages work on different frames at once: Metal writes frame N+1 into its tensor, the Neural Engine
// predicts frame N, Metal reads frame N-1. All share memory through IOSurfaces, allocated once; no frame is
// copied by the CPU.

import AVFoundation
import CoreML
import CoreVideo
import Foundation
import Metal

let package = URL(fileURLWithPath: "video_540p.mlpackage")
let (inputName, outputName) = ("lr", "sr")
let (width, height) = (960, 540)
let (outWidth, outHeight) = (1920, 1080)

// A tensor 1, 3, height, width is a picture of one channel and three times the height: R above G above B.
// Textures of 8 bits clamp to [0, 1] and round to the nearest level when they are written.
let kernels = """
    #include <metal_stdlib>
    using namespace metal;
    kernel void toTensor(texture2d<half, access::read> frame [[texture(0)]],
                         texture2d<half, access::write> tensor [[texture(1)]],
                         uint2 at [[thread_position_in_grid]]) {
        if (at.x >= frame.get_width() || at.y >= frame.get_height()) { return; }
        half4 colour = frame.read(at);
        for (uint c = 0; c < 3; c++) {
            tensor.write(half4(colour[c]), uint2(at.x, at.y + c * frame.get_height()));
        }
    }
    kernel void fromTensor(texture2d<half, access::read> tensor [[texture(0)]],
                           texture2d<half, access::write> frame [[texture(1)]],
                           uint2 at [[thread_position_in_grid]]) {
        if (at.x >= frame.get_width() || at.y >= frame.get_height()) { return; }
        half4 colour = half4(1);
        for (uint c = 0; c < 3; c++) {
            colour[c] = tensor.read(uint2(at.x, at.y + c * frame.get_height())).r;
        }
        frame.write(colour, at);
    }
    """

struct Failure: Error { let what: String }

func surface(_ width: Int, _ height: Int, _ format: OSType) throws -> CVPixelBuffer {
    let attributes = [kCVPixelBufferIOSurfacePropertiesKey: [:] as CFDictionary,
                      kCVPixelBufferMetalCompatibilityKey: true] as CFDictionary
    var made: CVPixelBuffer?
    CVPixelBufferCreate(kCFAllocatorDefault, width, height, format, attributes, &made)
    guard let made else { throw Failure(what: "no memory for a surface of \(width)x\(height)") }
    return made
}

/// What one frame on its way needs: both tensors, and the picture that comes out.
final class Slot {
    let tensorIn, tensorOut, frameOut: CVPixelBuffer
    let input: MLDictionaryFeatureProvider
    let made: MLMultiArray
    let options = MLPredictionOptions()

    init() throws {
        tensorIn = try surface(width, 3 * height, kCVPixelFormatType_OneComponent16Half)
        tensorOut = try surface(outWidth, 3 * outHeight, kCVPixelFormatType_OneComponent16Half)
        frameOut = try surface(outWidth, outHeight, kCVPixelFormatType_32BGRA)
        let given = MLMultiArray(pixelBuffer: tensorIn, shape: [1, 3, height as NSNumber, width as NSNumber])
        made = MLMultiArray(
            pixelBuffer: tensorOut, shape: [1, 3, outHeight as NSNumber, outWidth as NSNumber])
        input = try MLDictionaryFeatureProvider(dictionary: [inputName: given])
        options.outputBackings = [outputName: made]
    }
}

final class FramePipeline {
    private let model: MLModel
    private let commands: MTLCommandQueue
    private let textures: CVMetalTextureCache
    private let toTensor, fromTensor: MTLComputePipelineState
    private let predictions = DispatchQueue(label: "predictions", qos: .userInteractive)
    private let slots: [Slot]
    private let free: DispatchSemaphore
    private var next = 0

    init(slots count: Int = 3) throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = .cpuAndNeuralEngine
        model = try MLModel(contentsOf: MLModel.compileModel(at: package), configuration: configuration)
        guard let device = MTLCreateSystemDefaultDevice(), let queue = device.makeCommandQueue() else {
            throw Failure(what: "no Metal device")
        }
        commands = queue
        let library = try device.makeLibrary(source: kernels, options: nil)
        toTensor = try device.makeComputePipelineState(function: library.makeFunction(name: "toTensor")!)
        fromTensor = try device.makeComputePipelineState(function: library.makeFunction(name: "fromTensor")!)
        var cache: CVMetalTextureCache?
        CVMetalTextureCacheCreate(kCFAllocatorDefault, nil, device, nil, &cache)
        guard let cache else { throw Failure(what: "no texture cache") }
        textures = cache
        slots = try (0..<count).map { _ in try Slot() }
        free = DispatchSemaphore(value: count)
    }

    /// Takes a BGRA frame of the locked size; waits while all slots are on their way. `use` is called in
    /// order and must be done with the picture when it returns, because its slot is used again.
    func upscale(_ frame: CVPixelBuffer, use: @escaping (Result<CVPixelBuffer, Error>) -> Void) {
        free.wait()
        let slot = slots[next % slots.count]
        next += 1
        convert(toTensor, frame, .bgra8Unorm, slot.tensorIn, .r16Float, grid: (width, height)) { [self] in
            predictions.async { [self] in
                do {
                    let made = try model.prediction(from: slot.input, options: slot.options)
                    guard made.featureValue(for: outputName)?.multiArrayValue === slot.made else {
                        throw Failure(what: "Core ML did not write into the memory it was given")
                    }
                } catch {
                    use(.failure(error))
                    free.signal()
                    return
                }
                convert(fromTensor, slot.tensorOut, .r16Float, slot.frameOut, .bgra8Unorm,
                        grid: (outWidth, outHeight)) { [self] in
                    use(.success(slot.frameOut))
                    free.signal()
                }
            }
        }
    }

    /// Waits until nothing is on its way.
    func finish() {
        for _ in slots { free.wait() }
        for _ in slots { free.signal() }
    }

    private func texture(_ buffer: CVPixelBuffer, _ format: MTLPixelFormat) -> CVMetalTexture {
        let usage = MTLTextureUsage([.shaderRead, .shaderWrite]).rawValue
        var made: CVMetalTexture?
        CVMetalTextureCacheCreateTextureFromImage(
            kCFAllocatorDefault, textures, buffer, [kCVMetalTextureUsage: usage] as CFDictionary, format,
            CVPixelBufferGetWidth(buffer), CVPixelBufferGetHeight(buffer), 0, &made)
        return made!
    }

    private func convert(
        _ kernel: MTLComputePipelineState, _ from: CVPixelBuffer, _ fromFormat: MTLPixelFormat,
        _ to: CVPixelBuffer, _ toFormat: MTLPixelFormat, grid: (Int, Int), then: @escaping () -> Void
    ) {
        let kept = [texture(from, fromFormat), texture(to, toFormat)]
        let work = commands.makeCommandBuffer()!
        let encoder = work.makeComputeCommandEncoder()!
        encoder.setComputePipelineState(kernel)
        for (index, texture) in kept.enumerated() {
            encoder.setTexture(CVMetalTextureGetTexture(texture), index: index)
        }
        let group = MTLSize(width: 16, height: 16, depth: 1)
        let groups = MTLSize(width: (grid.0 + 15) / 16, height: (grid.1 + 15) / 16, depth: 1)
        encoder.dispatchThreadgroups(groups, threadsPerThreadgroup: group)
        encoder.endEncoding()
        work.addCompletedHandler { _ in
            withExtendedLifetime((kept, from)) { then() }
        }
        work.commit()
    }
}

guard CommandLine.arguments.count == 2 else {
    print("give a video of \(width)x\(height)")
    exit(2)
}
let asset = AVURLAsset(url: URL(fileURLWithPath: CommandLine.arguments[1]))
guard let track = try await asset.loadTracks(withMediaType: .video).first else {
    throw Failure(what: "no video stream")
}
let reader = try AVAssetReader(asset: asset)
let output = AVAssetReaderTrackOutput(track: track, outputSettings: [
    kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA,
    kCVPixelBufferMetalCompatibilityKey as String: true,
])
reader.add(output)
reader.startReading()
let pipeline = try FramePipeline()
let started = Date()
var frames = 0
while let sample = output.copyNextSampleBuffer() {
    guard let frame = CMSampleBufferGetImageBuffer(sample) else { continue }
    guard CVPixelBufferGetWidth(frame) == width, CVPixelBufferGetHeight(frame) == height else {
        throw Failure(what: "the package is locked to \(width)x\(height)")
    }
    frames += 1
    pipeline.upscale(frame) { result in
        if case .failure(let error) = result { print("prediction failed: \(error)") }
        // With .success(picture): append a copy to an AVAssetWriterInputPixelBufferAdaptor, or show it.
    }
}
pipeline.finish()
print("\(frames) frames, \(Double(frames) / Date().timeIntervalSince(started)) frames per second")
