/** @file Datasets of images. */
export { MNIST, type MnistOptions } from "./mnist.js";
