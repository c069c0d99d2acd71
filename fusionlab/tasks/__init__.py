"""Detection and segmentation on pictures: does fusion help to see?"""
